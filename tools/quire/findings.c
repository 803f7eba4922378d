/* SPDX-License-Identifier: MIT */
/* From the report of quire_doctor to sentences: what is there, and what to do about it. */
#include <tools/quire/findings.h>

#include <errno.h>
#include <quire/error.h>
#include <stdarg.h>
#include <stdio.h>
#include <tools/quire/number.h>
#include <tools/quire/talk.h>

#define LOCAL "put the channel on a local file system: ext4, xfs or btrfs"

typedef unsigned long long ull;

/* Adds a finding, and its text. There is room for all that this file adds. */
CLI_PRINTF(4, 5)
static struct cli_finding *add(struct cli_findings *findings, enum cli_level level,
                               const char *name, const char *format, ...)
{
    struct cli_finding *finding = &findings->list[findings->count++];
    va_list args;
    va_start(args, format);
    *finding = (struct cli_finding){.level = level, .name = name};
    vsnprintf(finding->text, sizeof(finding->text), format, args);
    va_end(args);
    return finding;
}

CLI_PRINTF(2, 3) static void advise(struct cli_finding *finding, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(finding->advice, sizeof(finding->advice), format, args);
    va_end(args);
}

static const char *uring_advice(uint32_t blocker)
{
    switch (blocker) {
    case QUIRE_BLOCKER_SYSCTL:
        return "as root: sysctl -w kernel.io_uring_disabled=0, or with the value 1 make the "
               "program a member of kernel.io_uring_group";
    case QUIRE_BLOCKER_SECCOMP:
        return "allow io_uring_setup, io_uring_enter and io_uring_register in the seccomp profile "
               "of the container or service";
    case QUIRE_BLOCKER_MEMLOCK:
        return "raise it: ulimit -l, or LimitMEMLOCK= of the service";
    case QUIRE_BLOCKER_KERNEL:
        return "use a kernel that is built with CONFIG_IO_URING";
    default:
        return "";
    }
}

static void add_engine(const struct quire_doctor *d, struct cli_findings *findings)
{
    struct cli_finding *finding;
    if (d->uring_error == 0)
        add(findings, CLI_FINE, "io_uring", "can be used");
    else
        advise(add(findings, CLI_WRONG, "io_uring", "%s", d->uring_reason), "%s",
               uring_advice(d->uring_blocker));

    if (d->engine == QUIRE_ENGINE_URING) {
        add(findings, CLI_FINE, "engine", "io_uring");
    } else if (d->engine == QUIRE_ENGINE_THREADS && d->asked == QUIRE_ENGINE_THREADS) {
        finding = add(findings, CLI_WRONG, "engine", "threads: QUIRE_ENGINE asks for them");
        advise(finding, "unset QUIRE_ENGINE");
    } else if (d->engine == QUIRE_ENGINE_THREADS) {
        add(findings, CLI_WRONG, "engine",
            "threads, because io_uring is refused; all works, at "
            "the cost of switches between threads");
    } else if (d->asked == QUIRE_ENGINE_URING) {
        finding = add(findings, CLI_WRONG, "engine",
                      "none: QUIRE_ENGINE asks for io_uring alone, and it is refused");
        advise(finding, "unset QUIRE_ENGINE: the threads then do the work");
    } else {
        finding = add(findings, CLI_WRONG, "engine", "none: %s",
                      d->engine_error == -EINVAL ? "QUIRE_ENGINE names neither uring nor threads"
                                                 : quire_strerror(d->engine_error));
        if (d->engine_error == -EINVAL)
            advise(finding, "unset it");
    }
}

static void add_machine(const struct quire_doctor *d, struct cli_findings *findings)
{
    char a[CLI_TEXT];
    struct cli_finding *finding;
    add(findings, CLI_FINE, "kernel", "Linux %s", d->kernel);
    if (d->membarrier) {
        add(findings, CLI_FINE, "membarrier", "can be used: sending needs no fence");
    } else {
        finding = add(findings, CLI_NOTED, "membarrier",
                      "refused: every message that is sent pays for a fence");
        advise(finding, "allow membarrier in the seccomp profile");
    }
    if (d->memlock_bytes == UINT64_MAX)
        add(findings, CLI_FINE, "memlock", "no limit (RLIMIT_MEMLOCK)");
    else
        add(findings, CLI_FINE, "memlock", "%s may be locked (RLIMIT_MEMLOCK)",
            cli_text_bytes(a, (double)d->memlock_bytes));
    if (d->huge_pages > 0)
        add(findings, CLI_FINE, "huge pages", "%llu of %s, %llu free", (ull)d->huge_pages,
            cli_text_bytes(a, (double)d->huge_page_bytes), (ull)d->huge_pages_free);
    else
        add(findings, CLI_FINE, "huge pages", "none in the pool; channels in memory do without");
}

static void add_space(const struct quire_doctor *d, struct cli_findings *findings)
{
    char a[CLI_TEXT], b[CLI_TEXT];
    struct quire_plan plan;
    struct cli_finding *finding;
    finding = add(findings, CLI_FINE, "file system", "%s, %s free of %s", d->file_system,
                  cli_text_bytes(a, (double)d->free_bytes), cli_text_bytes(b, (double)d->bytes));
    if (d->place == QUIRE_PLACE_DIRECTORY && quire_plan(NULL, 1, &plan) == 0 &&
        d->free_bytes < plan.total_bytes) {
        finding->level = CLI_NOTED;
        advise(finding,
               "a channel with the default options takes %s: make room, or see quire "
               "create --dry-run",
               cli_text_bytes(a, (double)plan.total_bytes));
    }
}

static void add_allocation(const struct quire_doctor *d, struct cli_findings *findings)
{
    struct cli_finding *finding;
    const char *words = quire_strerror(d->allocate_error);
    if (d->read_only)
        finding = add(findings, CLI_WRONG, "allocation", "the file system is mounted read-only");
    else if (d->allocate_error == 0)
        finding = add(findings, CLI_FINE, "allocation", "blocks can be allocated beforehand");
    else if (d->allocate_error == -EACCES || d->allocate_error == -EPERM)
        finding = add(findings, CLI_NOTED, "allocation", "not tried: %s", words);
    else
        finding = add(findings, CLI_WRONG, "allocation",
                      "blocks cannot be allocated beforehand: %s", words);
    if (d->allocate_error == -EOPNOTSUPP)
        advise(finding, LOCAL);
    else if (d->allocate_error == -ENOSPC || d->allocate_error == -EDQUOT)
        advise(finding, "make room");
}

static void add_sync(const struct quire_doctor *d, struct cli_findings *findings)
{
    struct cli_finding *finding;
    switch (d->sync) {
    case QUIRE_SYNC_BELIEVED:
        add(findings, CLI_FINE, "sync", "%s waits for its device", d->file_system);
        return;
    case QUIRE_SYNC_MEMORY:
        finding = add(findings, CLI_WRONG, "sync", "nothing is durable: %s lies in memory",
                      d->file_system);
        break;
    case QUIRE_SYNC_IGNORED:
        finding = add(findings, CLI_WRONG, "sync",
                      "not to be believed: mounted with %s, it does not wait for its device",
                      d->sync_option);
        advise(finding, "mount it without %s", d->sync_option);
        return;
    default:
        finding = add(findings, CLI_WRONG, "sync",
                      "durability unknown: with %s it is not this file system that decides",
                      d->file_system);
        break;
    }
    advise(finding, LOCAL);
}

static void add_blocks(const struct quire_doctor *d, struct cli_findings *findings)
{
    struct cli_finding *finding;
    if (d->copy_on_write) {
        finding = add(findings, CLI_WRONG, "blocks",
                      "btrfs writes elsewhere what is stored (no attribute C): on a full disk a "
                      "store would raise SIGBUS");
        advise(finding, d->place == QUIRE_PLACE_CHANNEL
                            ? "copy it with 'cp -r --reflink=never' into a directory with chattr +C"
                            : "chattr +C on the directory, or mount without compression");
    }
    if (d->place == QUIRE_PLACE_DIRECTORY)
        return;
    if (d->files_shared > 0) {
        finding =
            add(findings, CLI_WRONG, "sharing",
                "%u of %u files share blocks with a copy or snapshot", d->files_shared, d->files);
        advise(finding, "open the channel to write: each then gets blocks of its own");
    } else if (d->files_unknown > 0) {
        add(findings, CLI_NOTED, "sharing", "of %u of %u files it cannot be told", d->files_unknown,
            d->files);
    } else {
        add(findings, CLI_FINE, "sharing", "none of %u files shares its blocks", d->files);
    }
    if (d->files_sparse > 0) {
        finding = add(findings, CLI_NOTED, "holes", "%u of %u files have holes", d->files_sparse,
                      d->files);
        advise(finding, "open the channel to write: holes are filled");
    }
}

static void add_place(const struct quire_doctor *d, int poisoned, struct cli_findings *findings)
{
    if (d->place == QUIRE_PLACE_NONE)
        return;
    if (d->place == QUIRE_PLACE_DIRECTORY) {
        add(findings, CLI_FINE, "place", "a directory that may hold channels");
    } else if (!poisoned) {
        add(findings, CLI_FINE, "place", "a channel");
    } else {
        struct cli_finding *finding =
            add(findings, CLI_WRONG, "place",
                "a poisoned channel: a sync to disk has failed, and nothing more is taken");
        advise(finding, "receive what is in it, look after the disk, make a new channel");
    }
    add_space(d, findings);
    add_allocation(d, findings);
    add_sync(d, findings);
    add_blocks(d, findings);
}

void cli_findings_make(const struct quire_doctor *report, int poisoned,
                       struct cli_findings *findings)
{
    *findings = (struct cli_findings){0};
    add_engine(report, findings);
    add_machine(report, findings);
    add_place(report, poisoned, findings);
}

int cli_findings_wrong(const struct cli_findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        if (findings->list[i].level == CLI_WRONG)
            return 1;
    }
    return 0;
}
