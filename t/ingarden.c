/*
 * ingarden: runs a program in the garden, for measuring and looking: ingarden [-tbemnv] [-p FILE]... [-d DAYS] PROGRAM [ARGUMENT...]
 *   -t  traced   -b  traced, in bent time   -d DAYS  the date that many days from now (with -b)   -e  events to standard error
 *   -p FILE  put it into the world as /opt/NAME   -v  how it went, to standard error
 *   -m  the machine looks lived in   -n  the dummy Internet answers; what was exchanged, and what it tells, to standard error
 */
#include "garden/garden.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int put(struct world *w, const char *file, struct err *e)
{
	const char *slash = strrchr(file, '/');
	char *path = buf_printf("/opt/%s", slash ? slash + 1 : file);
	int fd = open(file, O_RDONLY | O_CLOEXEC), rc;

	rc = fd < 0 ? err_sys(e, "cannot open %s", err_q(file)) : world_put(w, path, 0755, fd, e);
	io_close(&fd);
	free(path);
	return rc;
}

static void print(const json_t *list)
{
	const json_t *v;
	size_t i;

	json_array_foreach(list, i, v) {
		char *text = json_dumps(v, JSON_COMPACT | JSON_REAL_PRECISION(15));

		if (text)
			fprintf(stderr, "%s\n", text);
		free(text);
	}
}

int main(int argc, char **argv)
{
	struct err e = { 0 };
	struct world_options options = { 0 };
	struct run r = { .in = -1, .out = STDOUT_FILENO, .errfd = STDERR_FILENO, .seconds = 300, .exchanges = json_array() };
	struct world *w;
	bool events = false, verbose = false, traced = false;
	json_t *list = json_array();
	const char **files = buf_alloc((size_t)argc * sizeof *files);
	size_t count = 0;
	int c;

	msg_init("ingarden");
	while ((c = getopt(argc, argv, "+tbemnvp:d:")) != -1) {
		traced |= c == 't' || c == 'b';
		r.bend |= c == 'b';
		events |= c == 'e';
		verbose |= c == 'v';
		if (c == 'd')
			r.start_ns = strtoll(optarg, NULL, 10) * 86400 * 1000000000LL;
		if (c == 'm')
			options.machine = spawn_share("garden/machine.json");
		if (c == 'n')
			options.internet = spawn_share("garden/internet.json");
		if (c == 'p')
			files[count++] = optarg;
		if (c == '?')
			return EX_USAGE;
	}
	w = world_open(&options, &e);
	if (!w)
		return msg_fail(&e);
	while (count > 0)
		if (put(w, files[--count], &e))
			return msg_fail(&e);
	r.argv = (const char *const *)argv + optind;
	r.events = traced ? list : NULL;
	if (garden_run(w, &r, &e))
		return msg_fail(&e);
	if (events)
		print(list);
	print(r.exchanges);
	if (r.net) {
		json_t *all = json_pack("[o]", r.net);

		print(all);
		json_decref(all);
	}
	json_decref(r.exchanges);
	free(files);
	if (verbose)
		fprintf(stderr, "status %d, %.3f s, %.3f s skipped, %zu events%s\n", r.status, r.elapsed, (double)r.skipped_ns / 1e9,
			json_array_size(list), r.timed_out ? ", timed out" : "");
	json_decref(list);
	world_close(w);
	return r.status;
}
