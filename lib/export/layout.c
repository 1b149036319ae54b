/*
 * Layered drawing of directed graphs: Sugiyama, Tagawa and Toda, "Methods for Visual Understanding of Hierarchical System
 * Structures", 1981. Edges of cycles are turned round, nodes go into layers, long edges get a vertex in each layer between, layers are
 * ordered by barycentres, and places follow the neighbours'.
 */
#include "export/html.h"

#include <stdlib.h>
#include <string.h>

#define SWEEPS 16u         /* of ordering: more change nothing any more on graphs of this size */
#define MOVES 10u          /* of places */
#define BEND 0.06          /* a passing edge's width, a node's being 1 */
#define GAP 0.16           /* beside a node */
#define GAP_BENDS 0.06     /* between passing edges */

struct vertex { unsigned layer, slot; double x, width, key; };
struct segment { unsigned from, to; };   /* vertices of adjoining layers */
struct work {
	struct layout *l;
	struct vertex *v; size_t vs;         /* the nodes first */
	struct segment *s; size_t ss;        /* by the upper vertex's layer */
	size_t *first;                       /* of each layer: its first segment downwards; one more for the end */
	unsigned **order, *count;            /* of each layer: its vertices from left to right */
	unsigned *best;                      /* each vertex's slot in the ordering with the fewest crossings */
	size_t best_crossings;
	double half;                         /* of the widest layer: no place is farther from the middle */
};

/* ---- cycles ---- */

/* Which nodes each one reaches, a bit each. */
static void reach(const struct layout *l, uint64_t *to)
{
	bool more = true;

	for (size_t i = 0; i < l->edges; i++)
		to[l->edge[i].from] |= (uint64_t)1 << l->edge[i].to;
	while (more) {
		more = false;
		for (size_t i = 0; i < l->edges; i++) {
			uint64_t all = to[l->edge[i].from] | to[l->edge[i].to];

			more |= all != to[l->edge[i].from];
			to[l->edge[i].from] = all;
		}
	}
}

/* Breadth first from the first node, then from those that nobody calls, then from what is left: of a cycle, what is nearer to where a program
 * begins is drawn above, and an edge to something nearer leads back. Depth first makes one long chain of a knot of functions. */
static void break_cycles(struct layout *l)
{
	uint64_t reached[LAYOUT_NODES] = { 0 };
	unsigned *queue = buf_alloc((l->nodes + 1) * sizeof *queue), *rank = buf_alloc((l->nodes + 1) * sizeof *rank), last = 0;
	unsigned char *has_in = buf_alloc(l->nodes + 1);

	for (size_t i = 0; i < l->edges; i++)
		has_in[l->edge[i].to] |= l->edge[i].from != l->edge[i].to;
	for (int pass = 0; pass < 3; pass++) {
		for (unsigned i = 0; i < (pass ? l->nodes : l->nodes > 0); i++) {
			unsigned at = last;

			if (rank[i] || (pass == 1 && has_in[i]))
				continue;
			queue[last] = i;
			rank[i] = ++last;
			for (; at < last; at++) {
				for (size_t k = 0; k < l->edges; k++) {
					if (l->edge[k].from != queue[at] || rank[l->edge[k].to])
						continue;
					queue[last] = l->edge[k].to;
					rank[l->edge[k].to] = ++last;
				}
			}
		}
	}
	reach(l, reached);
	for (size_t i = 0; i < l->edges; i++)
		l->edge[i].back = reached[l->edge[i].to] >> l->edge[i].from & 1 && rank[l->edge[i].to] < rank[l->edge[i].from];
	free(queue);
	free(rank);
	free(has_in);
}

static unsigned upper(const struct layout_edge *e) { return e->back ? e->to : e->from; }
static unsigned lower(const struct layout_edge *e) { return e->back ? e->from : e->to; }

/* ---- layers: each node below all that call it, no layer wider than the page ---- */

static void assign_layers(struct layout *l)
{
	unsigned *waiting = buf_alloc((l->nodes + 1) * sizeof *waiting), *used = buf_alloc((2 * l->nodes + 2) * sizeof *used);
	unsigned char *done = buf_alloc(l->nodes + 1);

	for (size_t i = 0; i < l->edges; i++)
		if (l->edge[i].from != l->edge[i].to)
			waiting[lower(&l->edge[i])]++;
	for (size_t placed = 0; placed < l->nodes; placed++) {
		unsigned next = 0;
		bool found = false;

		for (unsigned i = 0; i < l->nodes; i++) {
			if (done[i] || waiting[i] || (found && l->node[i].layer >= l->node[next].layer))
				continue;
			next = i;
			found = true;
		}
		if (!found)
			break;   /* cannot be: no cycle is left */
		done[next] = 1;
		while (used[l->node[next].layer] >= LAYOUT_WIDE)
			l->node[next].layer++;
		used[l->node[next].layer]++;
		if (l->node[next].layer + 1 > l->layers)
			l->layers = l->node[next].layer + 1;
		for (size_t i = 0; i < l->edges; i++) {
			const struct layout_edge *e = &l->edge[i];

			if (e->from == e->to || upper(e) != next)
				continue;
			waiting[lower(e)]--;
			if (l->node[lower(e)].layer < l->node[next].layer + 1)
				l->node[lower(e)].layer = l->node[next].layer + 1;
		}
	}
	free(waiting);
	free(used);
	free(done);
}

/* ---- the proper graph ---- */

static unsigned add_vertex(struct work *w, unsigned layer, double width)
{
	w->v = buf_realloc(w->v, w->vs + 1, sizeof *w->v);
	w->v[w->vs] = (struct vertex){ .layer = layer, .width = width, .slot = w->count[layer]++ };
	return (unsigned)w->vs++;
}

static void add_segment(struct work *w, unsigned from, unsigned to)
{
	w->s = buf_realloc(w->s, w->ss + 1, sizeof *w->s);
	w->s[w->ss++] = (struct segment){ from, to };
}

static void make_proper(struct work *w, unsigned *first_via)
{
	struct layout *l = w->l;

	w->count = buf_alloc((l->layers + 1) * sizeof *w->count);
	for (size_t i = 0; i < l->nodes; i++)
		add_vertex(w, l->node[i].layer, 1);
	for (size_t i = 0; i < l->edges; i++) {
		unsigned at = upper(&l->edge[i]), end = lower(&l->edge[i]);

		first_via[i] = (unsigned)w->vs;
		if (at == end)
			continue;
		for (unsigned layer = l->node[at].layer + 1; layer < l->node[end].layer; layer++) {
			unsigned via = add_vertex(w, layer, BEND);

			add_segment(w, at, via);
			at = via;
			l->edge[i].vias++;
		}
		add_segment(w, at, end);
	}
	w->order = buf_alloc((l->layers + 1) * sizeof *w->order);
	for (unsigned i = 0; i < l->layers; i++)
		w->order[i] = buf_alloc((w->count[i] + 1) * sizeof **w->order);
	for (unsigned i = 0; i < w->vs; i++)
		w->order[w->v[i].layer][w->v[i].slot] = i;
}

/* Counting sort by layer: whoever looks for a vertex's segments finds them among those of two layers. */
static void sort_segments(struct work *w)
{
	struct segment *sorted = buf_alloc((w->ss + 1) * sizeof *sorted);
	unsigned layers = w->l->layers;
	size_t *at = buf_alloc((layers + 2) * sizeof *at);

	if (!w->s || !w->v)
		w->ss = 0;
	w->first = buf_alloc((layers + 2) * sizeof *w->first);
	for (size_t i = 0; i < w->ss; i++)
		w->first[w->v[w->s[i].from].layer + 1]++;
	for (unsigned i = 0; i <= layers; i++)
		w->first[i + 1] += w->first[i];
	memcpy(at, w->first, (layers + 2) * sizeof *at);
	for (size_t i = 0; i < w->ss; i++)
		sorted[at[w->v[w->s[i].from].layer]++] = w->s[i];
	free(at);
	free(w->s);
	w->s = sorted;
}

/* ---- ordering ---- */

static size_t crossings(const struct work *w)
{
	size_t n = 0;

	for (size_t i = 0; i < w->ss; i++) {
		const struct vertex *a = &w->v[w->s[i].from], *b = &w->v[w->s[i].to];

		for (size_t k = i + 1; k < w->first[a->layer + 1]; k++) {
			const struct vertex *c = &w->v[w->s[k].from], *d = &w->v[w->s[k].to];

			n += (a->slot < c->slot && b->slot > d->slot) || (a->slot > c->slot && b->slot < d->slot);
		}
	}
	return n;
}

static void keep_if_better(struct work *w)
{
	size_t n = crossings(w);

	if (n >= w->best_crossings)
		return;
	w->best_crossings = n;
	for (size_t i = 0; i < w->vs; i++)
		w->best[i] = w->v[i].slot;
}

/* The mean of what `of` gives over the neighbours above (or below); otherwise when there are none. */
static double barycentre(const struct work *w, unsigned v, bool above, bool by_slot, double otherwise)
{
	unsigned layer = w->v[v].layer - (above && w->v[v].layer ? 1 : 0);
	double sum = 0;
	size_t n = 0;

	for (size_t i = w->first[layer]; i < w->first[layer + 1]; i++) {
		unsigned mine = above ? w->s[i].to : w->s[i].from, other = above ? w->s[i].from : w->s[i].to;

		if (mine != v)
			continue;
		sum += by_slot ? w->v[other].slot : w->v[other].x;
		n++;
	}
	return n ? sum / (double)n : otherwise;
}

/* Insertion, so that equals keep their order. */
static void sort_layer(struct work *w, unsigned layer)
{
	unsigned *o = w->order[layer];

	for (unsigned i = 1; i < w->count[layer]; i++) {
		unsigned v = o[i], k = i;

		for (; k && w->v[o[k - 1]].key > w->v[v].key; k--)
			o[k] = o[k - 1];
		o[k] = v;
	}
	for (unsigned i = 0; i < w->count[layer]; i++)
		w->v[o[i]].slot = i;
}

static void order_layers(struct work *w)
{
	unsigned layers = w->l->layers;

	w->best = buf_alloc((w->vs + 1) * sizeof *w->best);
	w->best_crossings = SIZE_MAX;
	keep_if_better(w);
	for (unsigned sweep = 0; sweep < SWEEPS && w->best_crossings; sweep++) {
		bool above = sweep % 2 == 0;

		for (unsigned i = 0; i < layers; i++) {
			unsigned layer = above ? i : layers - 1 - i;

			for (unsigned k = 0; k < w->count[layer]; k++) {
				struct vertex *v = &w->v[w->order[layer][k]];

				v->key = barycentre(w, w->order[layer][k], above, true, v->slot);
			}
			sort_layer(w, layer);
		}
		keep_if_better(w);
	}
	for (unsigned i = 0; i < w->vs; i++)
		w->v[i].slot = w->best[i];
	for (unsigned i = 0; i < w->vs; i++)
		w->order[w->v[i].layer][w->v[i].slot] = i;
}

/* ---- places ---- */

static double apart(const struct work *w, unsigned left, unsigned right)
{
	return (w->v[left].width + w->v[right].width) / 2 + (left < w->l->nodes || right < w->l->nodes ? GAP : GAP_BENDS);
}

/* Each where its key says, as far as the others and the drawing's width leave room: the mean of pushing to the right and to the left. */
static void settle(struct work *w, unsigned layer)
{
	unsigned n = w->count[layer], *o = w->order[layer];
	double at, edge, *right = buf_alloc((n + 1) * sizeof *right), *taken = buf_alloc((n + 1) * sizeof *taken);

	for (unsigned i = 1; i < n; i++)
		taken[i] = taken[i - 1] + apart(w, o[i - 1], o[i]);
	for (unsigned i = 0; i < n; i++) {
		edge = w->half - (taken[n - 1] - taken[i]);
		at = i && right[i - 1] + apart(w, o[i - 1], o[i]) > w->v[o[i]].key ? right[i - 1] + apart(w, o[i - 1], o[i]) : w->v[o[i]].key;
		right[i] = at > edge ? edge : at;
	}
	at = 0;
	for (unsigned i = n; i-- > 0;) {
		edge = taken[i] - w->half;
		at = i + 1 < n && at - apart(w, o[i], o[i + 1]) < w->v[o[i]].key ? at - apart(w, o[i], o[i + 1]) : w->v[o[i]].key;
		at = at < edge ? edge : at;
		w->v[o[i]].x = (at + right[i]) / 2;
	}
	free(right);
	free(taken);
}

static void place(struct work *w)
{
	unsigned layers = w->l->layers;

	for (unsigned i = 0; i < layers; i++) {
		double at = 0;

		for (unsigned k = 0; k < w->count[i]; k++) {
			at += k ? apart(w, w->order[i][k - 1], w->order[i][k]) : 0;
			w->v[w->order[i][k]].x = at;
		}
		for (unsigned k = 0; k < w->count[i]; k++)
			w->v[w->order[i][k]].x -= at / 2;
		w->half = at / 2 > w->half ? at / 2 : w->half;
	}
	for (unsigned move = 0; move < MOVES; move++) {
		for (unsigned i = 0; i < layers; i++) {
			unsigned layer = move % 2 ? layers - 1 - i : i;

			for (unsigned k = 0; k < w->count[layer]; k++) {
				struct vertex *v = &w->v[w->order[layer][k]];

				v->key = barycentre(w, w->order[layer][k], move % 2 == 0, false, v->x);
			}
			settle(w, layer);
		}
	}
}

static void hand_over(struct work *w, const unsigned *first_via)
{
	struct layout *l = w->l;
	double least = 0, most = 0;

	for (size_t i = 0; i < w->vs; i++) {
		least = i == 0 || w->v[i].x - w->v[i].width / 2 < least ? w->v[i].x - w->v[i].width / 2 : least;
		most = i == 0 || w->v[i].x + w->v[i].width / 2 > most ? w->v[i].x + w->v[i].width / 2 : most;
	}
	l->width = most - least;
	for (size_t i = 0; i < l->nodes; i++)
		l->node[i].x = w->v[i].x - least;
	for (size_t i = 0; i < l->edges; i++) {
		struct layout_edge *e = &l->edge[i];

		e->via = buf_alloc((e->vias + 1) * sizeof *e->via);
		for (size_t k = 0; k < e->vias; k++)
			e->via[k] = w->v[first_via[i] + k].x - least;
	}
}

void layout_compute(struct layout *l)
{
	struct work w = { .l = l };
	unsigned *first_via = buf_alloc((l->edges + 1) * sizeof *first_via);

	l->layers = 0;
	for (size_t i = 0; i < l->nodes; i++)
		l->node[i] = (struct layout_node){ 0 };
	for (size_t i = 0; i < l->edges; i++)
		l->edge[i] = (struct layout_edge){ .from = l->edge[i].from, .to = l->edge[i].to };
	break_cycles(l);
	assign_layers(l);
	make_proper(&w, first_via);
	sort_segments(&w);
	order_layers(&w);
	place(&w);
	hand_over(&w, first_via);
	for (unsigned i = 0; i < l->layers; i++)
		free(w.order[i]);
	free(w.order);
	free(w.count);
	free(w.best);
	free(w.first);
	free(w.v);
	free(w.s);
	free(first_via);
}

void layout_free(struct layout *l)
{
	for (size_t i = 0; i < l->edges; i++)
		free(l->edge[i].via);
}
