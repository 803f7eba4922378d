/* SPDX-License-Identifier: MIT */
/* From result codes to exit statuses. */
#include <tools/quire/exits.h>

#include <errno.h>
#include <quire/error.h>
#include <stddef.h>

static const struct {
    int code;
    int status;
} statuses[] = {
    {QUIRE_EINVAL, CLI_USAGE},
    {QUIRE_ENODISK, CLI_USAGE},
    {QUIRE_ENOENT, CLI_NOT_CHANNEL},
    {QUIRE_ENOLEASE, CLI_NOT_CHANNEL},
    {QUIRE_ENOTQUIRE, CLI_NOT_CHANNEL},
    {QUIRE_EVERSION, CLI_NOT_CHANNEL},
    {QUIRE_EBADFILE, CLI_NOT_CHANNEL},
    {QUIRE_ESHARED, CLI_NOT_CHANNEL},
    {-ENOENT, CLI_NOT_CHANNEL},
    {-ENOTDIR, CLI_NOT_CHANNEL},
    {-EISDIR, CLI_NOT_CHANNEL},
    {-ELOOP, CLI_NOT_CHANNEL},
    {-ENAMETOOLONG, CLI_NOT_CHANNEL},
    {QUIRE_EBUSY, CLI_BUSY},
    {QUIRE_EHANDLES, CLI_BUSY},
    {QUIRE_FULL, CLI_FULL},
    {QUIRE_TIMEDOUT, CLI_FULL},
    {QUIRE_UNSYNCED, CLI_FULL},
    {QUIRE_ENOSPC, CLI_NO_SPACE},
    {-ENOSPC, CLI_NO_SPACE},
    {-EDQUOT, CLI_NO_SPACE},
    {QUIRE_EPERM, CLI_PERMISSION},
    {QUIRE_ERDONLY, CLI_PERMISSION},
    {-EACCES, CLI_PERMISSION},
    {-EPERM, CLI_PERMISSION},
    {-EROFS, CLI_PERMISSION},
    {QUIRE_EEXIST, CLI_EXISTS},
    {-EEXIST, CLI_EXISTS},
    {QUIRE_EMSGSIZE, CLI_TOO_LARGE},
    {QUIRE_EPOISONED, CLI_POISONED},
    {QUIRE_EENGINE, CLI_IN_THE_WAY},
    {QUIRE_EFORKED, CLI_FAILED},
    {QUIRE_ENDED, CLI_FAILED},
};

int cli_exit_of(long code)
{
    if (code >= 0)
        return CLI_OK;
    for (size_t i = 0; i < sizeof(statuses) / sizeof(statuses[0]); i++) {
        if (statuses[i].code == code)
            return statuses[i].status;
    }
    return CLI_FAILED;
}
