/* The page's part on what a sample did in the garden. */
#ifndef EXPORT_HTML_RUN_H
#define EXPORT_HTML_RUN_H

#include "export/html.h"
#include "export/processes.h"

/* ---- html-processes.c ---- */

/* "curl 433"; where it is not known, its number alone; nothing of a number below 1. */
void processes_label(struct buf *b, const struct processes *p, json_int_t run, json_int_t pid);
/* <td>label</td> of who did an entry of a list. */
void processes_cell(struct buf *b, const struct processes *p, const json_t *entry);
/* "Run 2: user"; its index is from 0. */
void processes_run_name(struct buf *b, const json_t *dynamic, json_int_t run);
void html_process_tree(struct buf *b, const struct processes *p);

/* ---- html-timeline.c ---- */

void html_timeline(struct buf *b, const struct processes *p);

/* ---- html-network.c: exchanges by service ---- */

void html_network(struct buf *b, const struct processes *p);
const char *html_peer(const json_t *exchange);   /* the name that led there, else the address; "" */

/* ---- html-irc.c, html-scans.c ---- */

void html_irc(struct buf *b, const struct processes *p);
void html_scans(struct buf *b, const struct processes *p);

#endif
