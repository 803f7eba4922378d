/* SPDX-License-Identifier: MIT */
/* A snapshot of a channel, for people and for machines. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include <tools/quire/snapshot.h>

/* Tables within 80 columns; of the pages only the first and last few unless all is set. */
int cli_report_text(const char *path, const struct cli_snapshot *snapshot, int all);

/* One JSON object with everything. */
void cli_report_json(const char *path, const struct cli_snapshot *snapshot);

/*
 * Messages and voids at or after the durable position, by the pages that are still held: what a
 * power loss may take.
 */
uint64_t cli_report_undurable(const struct cli_snapshot *snapshot);

/* Words for values of quire/stat.h. */
const char *cli_report_page_state(uint32_t state);
const char *cli_report_handle_kind(uint32_t kind);

/* The uuid in its usual form. */
#define CLI_UUID_TEXT 37
void cli_report_uuid(const uint8_t uuid[16], char text[CLI_UUID_TEXT]);

/* A CLOCK_REALTIME time as UTC, "2025-01-31T10:00:00Z"; "-" for 0. */
#define CLI_TIME_TEXT 24
void cli_report_time(uint64_t ns, char text[CLI_TIME_TEXT]);

#endif
