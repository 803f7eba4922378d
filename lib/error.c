/* SPDX-License-Identifier: MIT */
/* Names and sentences of result codes. Static tables only, so any thread may ask at any time. */
#define _GNU_SOURCE
#include <quire/error.h>

#include <limits.h>
#include <stddef.h>
#include <string.h>

struct entry {
    int code;
    const char *name;
    const char *text;
};

#define ENTRY(code, text) \
    {                     \
        code, #code, text \
    }

static const struct entry entries[] = {
    ENTRY(QUIRE_OK, "Success"),
    ENTRY(QUIRE_EAGAIN, "No message is ready now"),
    ENTRY(QUIRE_FULL, "The channel is full"),
    ENTRY(QUIRE_PAGE_END, "The next message lies in another page; call quire_rx_next_page"),
    ENTRY(QUIRE_LAPPED, "Messages of this group were overwritten; quire_rx_lost tells which"),
    ENTRY(QUIRE_CLOSED, "The channel was closed"),
    ENTRY(QUIRE_TIMEDOUT, "The deadline passed"),
    ENTRY(QUIRE_CORRUPT, "A message failed its checks and was stepped over"),
    ENTRY(QUIRE_UNSYNCED, "The message was sent; the deadline passed before it was durable"),
    ENTRY(QUIRE_ENDED,
          "The other side has gone: no producer and no message is left, or no consumer"),
    ENTRY(QUIRE_EMSGSIZE, "The message is larger than any page of this channel can hold"),
    ENTRY(QUIRE_EINVAL, "An argument or option is out of its range"),
    ENTRY(QUIRE_ESTATE, "The call is not allowed in the present state of the handle"),
    ENTRY(QUIRE_EHANDLES, "All handles of the channel are in use"),
    ENTRY(QUIRE_ERDONLY, "The channel was opened read-only"),
    ENTRY(QUIRE_ETOOSMALL, "The buffer is smaller than the message"),
    ENTRY(QUIRE_EFORKED, "The channel belongs to the process that opened it, not to its child"),
    ENTRY(QUIRE_ENODISK, "A channel in memory cannot be made durable"),
    ENTRY(QUIRE_ENOLEASE, "The handle does not have this message, or not any more"),
    ENTRY(QUIRE_ENOENT, "There is no such channel, group or page"),
    ENTRY(QUIRE_EEXIST, "It exists already"),
    ENTRY(QUIRE_ENOTQUIRE, "The path is not a quire channel"),
    ENTRY(QUIRE_EVERSION, "The channel was written by an incompatible version of quire"),
    ENTRY(QUIRE_EBADFILE, "A file of the channel is short or damaged"),
    ENTRY(QUIRE_EBUSY,
          "It is in use by another open or by members, or is reused too fast; try again"),
    ENTRY(QUIRE_ENOSPC, "There is no space for the files of the channel"),
    ENTRY(QUIRE_EPERM, "The file permissions do not allow it"),
    ENTRY(QUIRE_ESHARED, "A file of the channel shares its blocks with a copy, or may come to"),
    ENTRY(QUIRE_EENGINE, "The I/O engine that was asked for is refused here; see quire doctor"),
    ENTRY(QUIRE_EPOISONED, "A sync to disk has failed; the channel takes no more messages"),
};

static const struct entry *find(int code)
{
    for (size_t i = 0; i < sizeof(entries) / sizeof(entries[0]); i++) {
        if (entries[i].code == code)
            return &entries[i];
    }
    return NULL;
}

/* The system's own sentence, untranslated and never in a shared buffer; NULL when it has none. */
static const char *system_text(int code)
{
    if (code >= 0 || code == INT_MIN)
        return NULL;
    return strerrordesc_np(-code);
}

const char *quire_strerror(int code)
{
    const struct entry *entry = find(code);
    if (entry != NULL)
        return entry->text;
    if (code > 0)
        return "Success (a count)";
    const char *text = system_text(code);
    return text != NULL ? text : "Unknown result code";
}

const char *quire_errname(int code)
{
    const struct entry *entry = find(code);
    if (entry != NULL)
        return entry->name;
    if (code > 0)
        return "QUIRE_OK";
    return system_text(code) != NULL ? "errno" : "unknown";
}
