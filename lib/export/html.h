/* The page's parts. All of them append well-formed XML, which is HTML as well; none lets a sample's text out unescaped. */
#ifndef EXPORT_HTML_H
#define EXPORT_HTML_H

#include "export/internal.h"

extern const char html_style[];   /* the style sheet, without '<' and '&' */

/* ---- html-text.c ---- */

/* A name or text of a case, for text and for attributes in double quotes: markup escaped; bytes that were no UTF-8, control
 * characters and such as turn the direction of writing as \xNN or \u{NNNN}; cut after `most` characters with an ellipsis. */
void html_text(struct buf *b, const char *s, size_t most);
void html_textn(struct buf *b, const char *s, size_t n, size_t most);
/* <td>text</td>, with a class or NULL. */
void html_cell(struct buf *b, const char *cls, const char *s, size_t most);
void html_size(struct buf *b, double bytes);       /* 12.3 KiB */
void html_size_cell(struct buf *b, const json_t *o);   /* its "size"; an empty cell where it has none */
void html_count(struct buf *b, json_int_t n);      /* 1 234 567 */
void html_span(struct buf *b, double seconds);     /* 66 ms, 1.5 s, 24 h 0 min, 7 d 0 h */
/* A hex address as static.json writes it: a string of hex digits, or a number. NULL-safe; false: none. */
bool html_address(const json_t *v, uint64_t *out);
/* A box that scrolls by keyboard as well, and its end. */
void html_scroll(struct buf *b, const char *label);
void html_scroll_end(struct buf *b);

/* ---- html-piece.c: one piece told in full; html-facts.c: its lists ---- */

void html_piece(struct buf *b, const struct exporter *x, const struct piece *p);
void html_carved(struct buf *b, const json_t *carved);   /* static.json's "carved", or NULL */
void html_strings(struct buf *b, const json_t *stat);
void html_imports(struct buf *b, const json_t *stat);
void html_indicators(struct buf *b, const struct piece *p);
void html_techniques(struct buf *b, const struct exporter *x, const struct piece *p);
void html_functions(struct buf *b, const json_t *stat);
void html_disassembly(struct buf *b, const struct piece *p);

/* ---- html-draw.c: drawings but for the graph ---- */

void html_sections(struct buf *b, const json_t *stat);   /* map of the file, entropy bars */
void html_layers(struct buf *b, const json_t *unpack);
void html_calls(struct buf *b, const json_t *unpack);

/* ---- html-behaviour.c: what it did in the garden ---- */

void html_behaviour(struct buf *b, const json_t *dynamic);

/* ---- html-graph.c ---- */

void html_graph(struct buf *b, const json_t *stat);

/* ---- layout.c: layered drawing of directed graphs (Sugiyama, Tagawa and Toda 1981) ---- */

#define LAYOUT_NODES 64u       /* at most: a bit of a word each */
#define LAYOUT_WIDE 8u         /* real nodes in one layer: what a page is wide for */
struct layout_node { unsigned layer; double x; };            /* out: layer from 0; centre in units of one node's width */
struct layout_edge { unsigned from, to; bool back; double *via; size_t vias; };   /* out: reversed for the drawing; x in each layer between */
struct layout { struct layout_node *node; size_t nodes; struct layout_edge *edge; size_t edges; unsigned layers; double width; };
/* nodes, edges' from and to are given, the node where all begins first; all else is set. Deterministic. vias are owned by the layout. */
void layout_compute(struct layout *l);
void layout_free(struct layout *l);   /* the vias; not node and edge themselves */

#endif
