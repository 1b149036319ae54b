/*
 * The caps: what is refused before anything is allocated for it, each with its reason.
 */
#ifndef BASE_CAPS_H
#define BASE_CAPS_H

#define KIB ((uint64_t)1 << 10)
#define MIB ((uint64_t)1 << 20)
#define GIB ((uint64_t)1 << 30)

#define CAP_BODY (4 * GIB)          /* one member: above any executable met, below what fills a spool at once */
#define CAP_SEALED (512 * MIB)      /* CMS is opened in memory */
#define CAP_CASE (64 * GIB)         /* all members together */
#define CAP_MEMBERS 200000u         /* a busy host maps some 2,000 files; the manifest is kept in memory */
#define CAP_PATH 255u               /* the longest path of the schema has 150 bytes */
#define CAP_MANIFEST (64 * MIB)     /* CAP_MEMBERS lines */
#define CAP_JSON (64 * MIB)         /* one JSON member */
#define CAP_JSON_DEPTH 64u          /* ours are 6 deep; parsers recurse */
#define CAP_SLURP (16 * MIB)        /* configuration, /proc text */
#define CAP_START_FILE (1 * MIB)    /* a start-up file */
#define CAP_DUMP (256 * MIB)        /* one region of memory */
#define CAP_FRAME (1 * MIB)         /* one frame of the protocol */
#define CAP_SIGHTINGS 1000u         /* of one piece of code: libc is mapped by every process */
#define CAP_OPERATIONS 10000u       /* of one removal plan */

#endif
