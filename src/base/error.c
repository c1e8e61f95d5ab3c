#include "base/error.h"

const char *error_text(int code)
{
    switch (code) {
#define ERROR(name, number, text) \
    case name:                    \
        return text;
#include "base/errors.def"
#undef ERROR
    default: return "unknown error";
    }
}
