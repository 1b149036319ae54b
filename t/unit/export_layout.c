/* The layered drawing: what it promises of any graph. */
#include "export/html.h"

#include "unit.h"

#include <math.h>
#include <string.h>

#define NODES LAYOUT_NODES
#define EDGES 220

static struct layout_node node[NODES];
static struct layout_edge edge[EDGES];

static struct layout graph(size_t nodes, size_t edges)
{
	struct layout l = { .node = node, .nodes = nodes, .edge = edge, .edges = edges };

	return l;
}

static unsigned upper(const struct layout_edge *e) { return e->back ? e->to : e->from; }
static unsigned lower(const struct layout_edge *e) { return e->back ? e->from : e->to; }

/* Edges lead down, one vertex in each layer between; layers are no wider than the page; nodes do not lie over one another. */
static bool holds(const struct layout *l)
{
	for (size_t i = 0; i < l->edges; i++) {
		const struct layout_edge *e = &l->edge[i];

		if (e->from == e->to)
			continue;
		if (l->node[upper(e)].layer >= l->node[lower(e)].layer || e->vias != l->node[lower(e)].layer - l->node[upper(e)].layer - 1)
			return false;
		for (size_t k = 0; k < e->vias; k++)
			if (!(e->via[k] >= -0.001 && e->via[k] <= l->width + 0.001))
				return false;
	}
	for (size_t i = 0; i < l->nodes; i++) {
		size_t beside = 1;

		if (l->node[i].layer >= l->layers || !(l->node[i].x >= 0.499 && l->node[i].x <= l->width - 0.499))
			return false;
		for (size_t k = 0; k < l->nodes; k++) {
			if (k == i || l->node[k].layer != l->node[i].layer)
				continue;
			beside++;
			if (fabs(l->node[k].x - l->node[i].x) < 1)
				return false;
		}
		if (beside > LAYOUT_WIDE)
			return false;
	}
	return true;
}

static uint32_t chance(uint32_t *state)
{
	*state = *state * 1664525u + 1013904223u;
	return *state >> 8;
}

static void random_graph(uint32_t seed, size_t nodes, size_t edges)
{
	for (size_t i = 0; i < edges; i++)
		edge[i] = (struct layout_edge){ .from = chance(&seed) % (unsigned)nodes, .to = chance(&seed) % (unsigned)nodes };
}

static void any_graph(void)
{
	bool all = true;

	for (uint32_t seed = 1; seed <= 60; seed++) {
		size_t nodes = 1 + seed * 7 % NODES, edges = seed * 13 % EDGES;
		struct layout l = graph(nodes, edges);

		random_graph(seed, nodes, edges);
		layout_compute(&l);
		if (!holds(&l)) {
			all = false;
			printf("# seed %u: %zu nodes, %zu edges\n", seed, nodes, edges);
		}
		layout_free(&l);
	}
	OK(all, "of any graph, edges lead down, layers fit the page, and nothing lies over anything");
}

static void chain(void)
{
	struct layout l = graph(NODES, NODES - 1);
	bool straight = true;

	for (unsigned i = 0; i + 1 < NODES; i++)
		edge[i] = (struct layout_edge){ .from = i, .to = i + 1 };
	layout_compute(&l);
	for (size_t i = 1; i < NODES; i++)
		straight = straight && fabs(node[i].x - node[0].x) < 0.01;
	OK(holds(&l) && l.layers == NODES && straight, "a chain is a straight line down");
	layout_free(&l);
}

static void cycle(void)
{
	struct layout l = graph(4, 4);
	size_t back = 0;

	for (unsigned i = 0; i < 4; i++)
		edge[i] = (struct layout_edge){ .from = i, .to = (i + 1) % 4 };
	layout_compute(&l);
	for (size_t i = 0; i < 4; i++)
		back += edge[i].back;
	OK(holds(&l) && back == 1 && edge[3].back && node[0].layer == 0, "of a cycle the edge to where it begins leads back, and no other");
	layout_free(&l);
}

/* 0 to 2 and 3, 1 to 4 and 5, told in an order that crosses. */
static void crossings(void)
{
	static const unsigned ends[4][2] = { { 0, 5 }, { 0, 3 }, { 1, 2 }, { 1, 4 } };
	struct layout l = graph(6, 4);

	for (size_t i = 0; i < 4; i++)
		edge[i] = (struct layout_edge){ .from = ends[i][0], .to = ends[i][1] };
	layout_compute(&l);
	OK(holds(&l) && (node[0].x < node[1].x) == (node[5].x < node[2].x) && (node[0].x < node[1].x) == (node[3].x < node[2].x) &&
		(node[0].x < node[1].x) == (node[5].x < node[4].x) && (node[0].x < node[1].x) == (node[3].x < node[4].x), "edges that need not cross do not");
	layout_free(&l);
}

static void repeats(void)
{
	struct layout_node before[NODES];
	struct layout l = graph(50, 150);
	bool same = true;

	random_graph(9, 50, 150);
	layout_compute(&l);
	memcpy(before, node, sizeof before);
	layout_free(&l);
	random_graph(9, 50, 150);
	l = graph(50, 150);
	layout_compute(&l);
	for (size_t i = 0; i < 50; i++)
		same = same && before[i].layer == node[i].layer && fabs(before[i].x - node[i].x) < 1e-9;
	OK(same, "the same graph is drawn the same");
	layout_free(&l);
}

int main(void)
{
	any_graph();
	chain();
	cycle();
	crossings();
	repeats();
	return unit_end();
}
