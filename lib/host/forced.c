#include "host/internal.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Libraries that the environment forces in. The rest of the environment is none of our business and is wiped. */
void forced_look(struct host *h, const struct proc *p)
{
	static const char *const names[] = { "LD_PRELOAD=", "LD_AUDIT=" };
	struct buf env = { 0 };
	const char *at, *end;
	size_t i;

	if (proc_memory_text(p, "environ", &env) <= 0)
		goto out;
	end = buf_str(&env) + env.len;
	for (at = buf_str(&env); at < end; at += strlen(at) + 1) {
		for (i = 0; i < 2; i++) {
			char *list, *rest, *word;

			if (strncmp(at, names[i], strlen(names[i])))
				continue;
			list = rest = buf_strdup(at + strlen(names[i]));
			while ((word = strsep(&rest, ": \t"))) {
				struct stat st;
				struct piece *library;
				int fd = *word == '/' ? proc_open_path(p, word) : -1;

				if (fd < 0)
					continue;
				library = image_take(h, fd, "file", &st);
				close(fd);
				if (!library)
					continue;
				image_place_seen(h, library, word, &st, p);
				piece_sign(h, library, "preload-environment", "%.*s in process %d (%s) names %s", (int)strlen(names[i]) - 1,
				           names[i], (int)p->pid, p->comm, word);
			}
			free(list);
		}
	}
out:
	if (env.p)
		explicit_bzero(env.p, env.len);
	buf_free(&env);
}
