/* SPDX-License-Identifier: MIT */
/* The pages of quire help, as printed: at most 80 columns, the same facts as quire(1). */
#ifndef CLI_HELP_H
#define CLI_HELP_H

extern const char cli_help_overview[];
extern const char cli_help_create[];
extern const char cli_help_send[];
extern const char cli_help_recv[];
extern const char cli_help_groups[];
extern const char cli_help_dead[];
extern const char cli_help_nack[];
extern const char cli_help_sync[];
extern const char cli_help_stat[];
extern const char cli_help_doctor[];
extern const char cli_help_demo[];
extern const char cli_help_bench[];
extern const char cli_help_help[];
extern const char cli_help_version[];

#endif
