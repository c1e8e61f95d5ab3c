#include "ssh/profile.h"

#include "ssh/names.h"

static const struct ssh_profile *const profiles[] = {
#define PROFILE(symbol, name) &ssh_profile_##symbol,
#include "ssh/profiles.def"
#undef PROFILE
};

const char ssh_profile_names_z[] =
#define PROFILE(symbol, name) " " name
#include "ssh/profiles.def"
#undef PROFILE
    ;

const struct ssh_profile *ssh_profile_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_LEN(profiles); i++)
        if (span_equal_z(name, profiles[i]->name_z))
            return profiles[i];
    return NULL;
}

unsigned ssh_profile_compat_of(const struct ssh_profile *profile, struct span software)
{
    for (const struct ssh_profile_compat *c = profile->compat; c->pattern_z; c++)
        if (ssh_names_glob(c->pattern_z, software))
            return c->flags;
    return SSH_COMPAT_NONE;
}

bool ssh_profile_allows_env(const struct ssh_profile *profile, struct span name)
{
    for (const char *const *pattern_z = profile->env_patterns_z; *pattern_z; pattern_z++)
        if (ssh_names_glob(*pattern_z, name))
            return true;
    return false;
}
