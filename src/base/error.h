/* Error codes of the inside: 0 or a count is good, negative is one of these or -errno. */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

enum error {
#define ERROR(name, number, text) name = (number),
#include "base/errors.def"
#undef ERROR
};

/* A sentence for a code of errors.def, "unknown error" for anything else. Static storage. */
const char *error_text(int code);

#endif
