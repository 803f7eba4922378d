/* SPDX-License-Identifier: MIT */
/* The version of the library that is linked, as against that of the headers compiled with. */
#include <quire/version.h>

const char *quire_version(void)
{
    return QUIRE_VERSION_STRING;
}
