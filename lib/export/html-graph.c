#include "export/html.h"

#include <stdlib.h>
#include <string.h>

#define GRAPH_NODES 60u        /* the most connected functions: more are a tangle */
#define GRAPH_EDGES 220u
#define FUNCTIONS 20000u       /* looked at: as many as a disassembly lists */
#define CALLS 400000u
#define NODE_W 104.0
#define NODE_H 26.0
#define LAYER_H 62.0
#define PAGE_W 984.0           /* pixels that the page gives it */
#define SMALLEST 0.7

struct call { size_t from, to; };
struct graph {
	const json_t *functions;
	uint64_t *address;          /* of each function, as listed */
	size_t *by_address;         /* their indices, sorted */
	size_t n;
	struct call *call; size_t calls;
	size_t *degree;             /* distinct callers and callees */
};

/* qsort has no argument. */
static _Thread_local const struct graph *sorting;

static int by_address(const void *a, const void *b)
{
	uint64_t x = sorting->address[*(const size_t *)a], y = sorting->address[*(const size_t *)b];

	return x < y ? -1 : x > y;
}

static int by_ends(const void *a, const void *b)
{
	const struct call *x = a, *y = b;

	if (x->from != y->from)
		return x->from < y->from ? -1 : 1;
	return x->to < y->to ? -1 : x->to > y->to;
}

static int by_degree(const void *a, const void *b)
{
	size_t x = *(const size_t *)a, y = *(const size_t *)b;

	if (sorting->degree[x] != sorting->degree[y])
		return sorting->degree[x] < sorting->degree[y] ? 1 : -1;
	return x < y ? -1 : x > y;
}

static bool find(const struct graph *g, uint64_t address, size_t *index)
{
	size_t low = 0, high = g->n;

	while (low < high) {
		size_t mid = low + (high - low) / 2;

		if (g->address[g->by_address[mid]] < address)
			low = mid + 1;
		else
			high = mid;
	}
	if (low == g->n || g->address[g->by_address[low]] != address)
		return false;
	*index = g->by_address[low];
	return true;
}

static void load(struct graph *g)
{
	size_t room = 0, i, k, kept = 0;
	const json_t *f, *c;

	g->n = json_array_size(g->functions) < FUNCTIONS ? json_array_size(g->functions) : FUNCTIONS;
	g->address = buf_alloc((g->n + 1) * sizeof *g->address);
	g->by_address = buf_alloc((g->n + 1) * sizeof *g->by_address);
	g->degree = buf_alloc((g->n + 1) * sizeof *g->degree);
	for (i = 0; i < g->n; i++) {
		if (!html_address(json_object_get(json_array_get(g->functions, i), "address"), &g->address[i]))
			g->address[i] = UINT64_MAX;
		g->by_address[i] = i;
	}
	sorting = g;
	qsort(g->by_address, g->n, sizeof *g->by_address, by_address);
	for (i = 0; i < g->n; i++) {
		f = json_array_get(g->functions, i);
		json_array_foreach(json_object_get(f, "calls"), k, c) {
			uint64_t to;
			size_t callee;

			if (g->calls == CALLS || !html_address(c, &to) || !find(g, to, &callee))
				continue;
			if (g->calls == room) {
				room = room ? 2 * room : 256;
				g->call = buf_realloc(g->call, room, sizeof *g->call);
			}
			g->call[g->calls++] = (struct call){ i, callee };
		}
	}
	if (g->calls)
		qsort(g->call, g->calls, sizeof *g->call, by_ends);
	for (i = 0; i < g->calls; i++) {
		if (kept && !by_ends(&g->call[kept - 1], &g->call[i]))
			continue;
		g->call[kept++] = g->call[i];
		g->degree[g->call[i].from]++;
		g->degree[g->call[i].to]++;
	}
	g->calls = kept;
}

static bool is_entry(const json_t *stat, const json_t *f)
{
	const json_t *elf = json_object_get(stat, "elf"), *pe = json_object_get(stat, "pe");
	uint64_t entry, address;

	return html_address(json_object_get(elf ? elf : pe, "entry"), &entry) && html_address(json_object_get(f, "address"), &address) && entry == address;
}

/* Where it begins and the most connected ones; of these the calls among them. */
static void choose(const struct graph *g, const json_t *stat, struct layout *l, size_t *chosen)
{
	size_t *order = buf_alloc((g->n + 1) * sizeof *order), *place = buf_alloc((g->n + 1) * sizeof *place);

	for (size_t i = 0; i < g->n; i++) {
		order[i] = i;
		if (!l->nodes && g->degree[i] && is_entry(stat, json_array_get(g->functions, i))) {
			chosen[l->nodes++] = i;
			place[i] = l->nodes;
		}
	}
	sorting = g;
	qsort(order, g->n, sizeof *order, by_degree);
	for (size_t i = 0; i < g->n && l->nodes < GRAPH_NODES && g->degree[order[i]]; i++) {
		if (place[order[i]])
			continue;
		chosen[l->nodes++] = order[i];
		place[order[i]] = l->nodes;
	}
	for (size_t i = 0; i < g->calls && l->edges < GRAPH_EDGES; i++) {
		size_t from = place[g->call[i].from], to = place[g->call[i].to];

		if (from && to)
			l->edge[l->edges++] = (struct layout_edge){ .from = (unsigned)from - 1, .to = (unsigned)to - 1 };
	}
	free(order);
	free(place);
}

static double across(double x) { return x * NODE_W + 8; }
static double down(unsigned layer) { return layer * LAYER_H + 8; }

/* From the upper node's foot to the lower one's head, through each layer between; curves that leave and arrive upright. */
static void draw_edge(struct buf *b, const struct layout *l, const struct layout_edge *e)
{
	const struct layout_node *up = &l->node[e->back ? e->to : e->from], *low = &l->node[e->back ? e->from : e->to];
	double x = across(up->x), y = down(up->layer) + NODE_H;

	if (e->from == e->to) {
		buf_addf(b, "<path class=\"edge self\" d=\"M%.1f %.1f c 22 -16 22 28 0 12\"/>", x + NODE_W / 2 - 8, y - NODE_H / 2 - 6);
		return;
	}
	buf_addf(b, "<path class=\"edge%s\" marker-%s=\"url(#tip)\" d=\"M%.1f %.1f", e->back ? " back" : "", e->back ? "start" : "end", x, y);
	for (size_t k = 0; k <= e->vias; k++) {
		double to_x = k < e->vias ? across(e->via[k]) : across(low->x), to_y = down(up->layer + 1 + (unsigned)k) - (k == e->vias ? 3 : 0);
		double half = (to_y - y) / 2;

		buf_addf(b, " C%.1f %.1f %.1f %.1f %.1f %.1f", x, y + half, to_x, to_y - half, to_x, to_y);
		x = to_x;
		y = to_y;
		if (k < e->vias) {
			y += NODE_H;
			buf_addf(b, " L%.1f %.1f", x, y);
		}
	}
	buf_adds(b, "\"/>");
}

static void draw_node(struct buf *b, const json_t *f, const struct layout_node *n, bool entry, size_t degree)
{
	const char *name = jsonio_str(f, "name");
	uint64_t address = 0;
	char text[32];

	html_address(json_object_get(f, "address"), &address);
	snprintf(text, sizeof text, "%llx", (unsigned long long)address);
	buf_addf(b, "<g class=\"node%s\"><title>", entry ? " entry" : "");
	html_text(b, name ? name : "function", 120);
	buf_addf(b, " at %s, ", text);
	html_size(b, jsonio_num(f, "size", 0));
	buf_addf(b, ", %lld blocks, %zu callers and callees</title>", (long long)jsonio_int(f, "blocks", 0), degree);
	buf_addf(b, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.0f\" height=\"%.0f\" rx=\"5\"/><text x=\"%.1f\" y=\"%.1f\">", across(n->x) - NODE_W / 2, down(n->layer),
		NODE_W, NODE_H, across(n->x), down(n->layer) + NODE_H / 2 + 4);
	html_text(b, name ? name : text, 13);
	buf_adds(b, "</text></g>");
}

static void draw(struct buf *b, const struct graph *g, struct layout *l, const size_t *chosen, const json_t *stat)
{
	double width = l->width * NODE_W + 16, height = down(l->layers) - LAYER_H + NODE_H + 8, scale = PAGE_W / width;

	/* As wide as the page where its text can still be read then, else it scrolls. */
	scale = scale > 1 ? 1 : scale < SMALLEST ? SMALLEST : scale;
	buf_adds(b, "<p class=\"note\">The ");
	html_count(b, (json_int_t)l->nodes);
	buf_adds(b, " most connected of ");
	html_count(b, (json_int_t)json_array_size(g->functions));
	buf_addf(b, " functions, callers above callees; dashed where a call leads back up%s.</p>",
		is_entry(stat, json_array_get(g->functions, chosen[0])) ? ". The entry point is filled" : "");
	html_scroll(b, "Call graph");
	buf_addf(b, "<svg class=\"graph\" role=\"img\" aria-label=\"Call graph of %zu functions\" width=\"%.0f\" height=\"%.0f\" viewBox=\"0 0 %.0f %.0f\">", l->nodes,
		width * scale, height * scale, width, height);
	for (size_t i = 0; i < l->edges; i++)
		draw_edge(b, l, &l->edge[i]);
	for (size_t i = 0; i < l->nodes; i++) {
		const json_t *f = json_array_get(g->functions, chosen[i]);

		draw_node(b, f, &l->node[i], is_entry(stat, f), g->degree[chosen[i]]);
	}
	buf_adds(b, "</svg>");
	html_scroll_end(b);
}

void html_graph(struct buf *b, const json_t *stat)
{
	struct graph g = { .functions = json_object_get(stat, "functions") };
	struct layout_node node[GRAPH_NODES];
	struct layout_edge edge[GRAPH_EDGES];
	struct layout l = { .node = node, .edge = edge };
	size_t chosen[GRAPH_NODES] = { 0 };

	if (!json_array_size(g.functions))
		return;
	load(&g);
	choose(&g, stat, &l, chosen);
	if (l.nodes > 1) {
		buf_adds(b, "<h3>Call graph</h3>");
		layout_compute(&l);
		draw(b, &g, &l, chosen, stat);
		layout_free(&l);
	}
	sorting = NULL;
	free(g.address);
	free(g.by_address);
	free(g.degree);
	free(g.call);
}
