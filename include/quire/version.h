/* SPDX-License-Identifier: MIT */
/* Version of the library and the macros every public header shares. */
#ifndef QUIRE_VERSION_H
#define QUIRE_VERSION_H

#define QUIRE_VERSION_MAJOR  0
#define QUIRE_VERSION_MINOR  1
#define QUIRE_VERSION_PATCH  0
#define QUIRE_VERSION_STRING "0.1.0"

#ifdef __cplusplus
#define QUIRE_BEGIN_DECLS extern "C" {
#define QUIRE_END_DECLS   }
#else
#define QUIRE_BEGIN_DECLS
#define QUIRE_END_DECLS
#endif

#define QUIRE_API __attribute__((visibility("default")))
/* A result code nobody reads is a lost message: the compiler objects. */
#define QUIRE_MUST_CHECK __attribute__((warn_unused_result))

QUIRE_BEGIN_DECLS

/* The version of the library linked at run time, e.g. "0.1.0". Static storage. Any thread. */
QUIRE_API const char *quire_version(void);

QUIRE_END_DECLS

#endif
