/* What a command's words mean: a shell's own words, and programs that run others. */
#include "host/internal.h"

#include <string.h>

static bool one_of(const char *w, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(w, *list))
			return true;
	return false;
}

bool words_builtin(const char *w)
{
	static const char *const list[] = {
		"[", "[[", "]", "((", "test", "echo", "printf", ":", "true", "false", "exit", "return", "set", "shift", "unset", "export",
		"local", "readonly", "declare", "typeset", "alias", "unalias", "umask", "ulimit", "trap", "wait", "break", "continue",
		"read", "let", "shopt", "complete", "compgen", "bind", "type", "hash", "getopts", "emulate", "setopt", "autoload",
		"kill", "jobs", "fg", "bg", "times", "pwd", "pushd", "popd", "dirs", "history", "limit", "setenv", "unsetenv", "unsetopt",
		"zstyle", "bindkey", "end", "endif", "endsw", "status", "abbr", "add-zsh-hook", "enable", "disown", "mapfile", NULL
	};

	return one_of(w, list);
}

bool words_fetcher(const char *w)
{
	static const char *const list[] = { "curl", "wget", "fetch", "base64", "nc", "ncat", "xxd", "openssl", "socat", "ftp", "tftp",
	                                    "lwp-download", "aria2c", "telnet", "ncat.openbsd", "nc.openbsd", "nc.traditional", NULL };

	return one_of(w, list);
}

/* How a program takes what it runs: option letters with a value, how many words stand before the command, and options
 * whose value is the program itself or a whole command line. */
struct wrapper {
	const char *name, *valued;
	unsigned before;
	const char *program[3], *line[3];
};

static const struct wrapper wrappers[] = {
	{ "exec", "a", 0, { 0 }, { 0 } }, { "command", "", 0, { 0 }, { 0 } }, { "builtin", "", 0, { 0 }, { 0 } },
	{ "nohup", "", 0, { 0 }, { 0 } }, { "setsid", "", 0, { 0 }, { 0 } }, { "nice", "n", 0, { 0 }, { 0 } },
	{ "ionice", "cnpPu", 0, { 0 }, { 0 } }, { "chrt", "TPD", 1, { 0 }, { 0 } }, { "env", "uC", 0, { 0 }, { "-S", "--split-string" } },
	{ "sudo", "CDghpRrTtUu", 0, { 0 }, { 0 } }, { "doas", "Cu", 0, { 0 }, { 0 } }, { "pkexec", "", 0, { 0 }, { 0 } },
	{ "runuser", "ugGsw", 0, { 0 }, { "-c", "--command" } }, { "su", "gGsw", 0, { 0 }, { "-c", "--command" } },
	{ "sg", "", 1, { 0 }, { "-c" } }, { "setpriv", "", 0, { 0 }, { 0 } }, { "timeout", "sk", 1, { 0 }, { 0 } },
	{ "chronic", "", 0, { 0 }, { 0 } }, { "flock", "wE", 1, { 0 }, { "-c", "--command" } }, { "stdbuf", "ioe", 0, { 0 }, { 0 } },
	{ "xargs", "adEILnPs", 0, { 0 }, { 0 } }, { "start-stop-daemon", "pnugsckNPIrda", 0, { "-x", "--exec", "--startas" }, { 0 } },
	{ "systemd-run", "CEGHMpPtTuU", 0, { 0 }, { 0 } }, { "systemd-cat", "tp", 0, { 0 }, { 0 } }, { "systemd-inhibit", "", 0, { 0 }, { 0 } },
	{ "unshare", "RSGw", 0, { 0 }, { 0 } }, { "nsenter", "tSG", 0, { 0 }, { 0 } }, { "taskset", "", 1, { 0 }, { 0 } },
	{ "cpulimit", "ple", 0, { 0 }, { 0 } }, { "daemonize", "acepluEo", 0, { 0 }, { 0 } }, { "busybox", "", 0, { 0 }, { 0 } },
	{ "toybox", "", 0, { 0 }, { 0 } }, { "script", "BEIOTmo", 0, { 0 }, { "-c", "--command" } }, { "unbuffer", "", 0, { 0 }, { 0 } },
	{ "dbus-run-session", "", 0, { 0 }, { 0 } }, { "dbus-launch", "", 0, { 0 }, { 0 } }, { "xvfb-run", "efnpsw", 0, { 0 }, { 0 } },
	{ "screen", "ceShptT", 0, { 0 }, { 0 } }, { "tmux", "cfLST", 0, { 0 }, { 0 } }, { "torsocks", "aPu", 0, { 0 }, { 0 } },
	{ "torify", "", 0, { 0 }, { 0 } }, { "proxychains", "f", 0, { 0 }, { 0 } }, { "proxychains4", "f", 0, { 0 }, { 0 } },
	{ "at", "fqt", 0, { 0 }, { 0 } }, { "batch", "f", 0, { 0 }, { 0 } }, { "start-stop", "", 0, { 0 }, { 0 } },
	{ "daemon", "", 0, { 0 }, { 0 } }, { "time", "fo", 0, { 0 }, { 0 } }, { "strace", "aeEoOpPsSu", 0, { 0 }, { 0 } },
	{ "watch", "n", 0, { 0 }, { 0 } }, { "chroot", "", 1, { 0 }, { 0 } }, { "capsh", "", 0, { 0 }, { 0 } }, { "chpst", "ubden/m", 0, { 0 }, { 0 } },
	{ "setuidgid", "", 1, { 0 }, { 0 } }, { "softlimit", "adfmorst", 0, { 0 }, { 0 } }, { "dumb-init", "r", 0, { 0 }, { 0 } },
	{ "tini", "p", 0, { 0 }, { 0 } }, { "catchsegv", "", 0, { 0 }, { 0 } }, { "find", "", 0, { "-exec", "-execdir", "-ok" }, { 0 } },
	{ "fakeroot", "lsib", 0, { 0 }, { 0 } }, { "parallel", "jaS", 0, { 0 }, { 0 } }, { "choom", "np", 0, { 0 }, { 0 } },
	{ "prlimit", "", 0, { 0 }, { 0 } }, { "firejail", "", 0, { 0 }, { 0 } }, { "bwrap", "", 0, { 0 }, { 0 } },
};

static const struct wrapper *wrapper_of(const char *word)
{
	const char *slash = strrchr(word, '/');
	size_t i;

	word = slash ? slash + 1 : word;
	for (i = 0; i < sizeof(wrappers) / sizeof(*wrappers); i++)
		if (!strcmp(word, wrappers[i].name))
			return &wrappers[i];
	return NULL;
}

bool words_wrapper(const char *word)
{
	return wrapper_of(word) != NULL;
}

/* Where the option's value stands: 0 in this word (behind "="), 1 in the next, -1: it is not this option. */
static int option_is(const char *word, const char *const *options, size_t n)
{
	size_t i, k;

	for (i = 0; i < n && options[i]; i++) {
		k = strlen(options[i]);
		if (!strncmp(word, options[i], k) && (!word[k] || (word[k] == '=' && options[i][1] == '-')))
			return word[k] ? 0 : 1;
	}
	return -1;
}

size_t words_wrapped(char *const *words, size_t n, bool *command)
{
	const struct wrapper *w = wrapper_of(words[0]);
	unsigned before = w ? w->before : 0;
	bool options = true;
	size_t i;

	*command = false;
	/* an option that holds the command stands anywhere, also behind a user's name */
	for (i = 1; w && i + 1 < n && strcmp(words[i], "--") != 0; i++) {
		bool line = option_is(words[i], w->line, 3) == 1;

		if (line || option_is(words[i], w->program, 3) == 1) {
			*command = line;
			return i + 1;
		}
	}
	if (!w || w->program[0] || (!strcmp(w->name, "command") && n > 1 && !strcasecmp(words[1], "-v")))
		return 0;
	for (i = 1; i < n; i++) {
		const char *word = words[i];

		if (options && !strcmp(word, "--")) {
			options = false;
		} else if (options && word[0] == '-' && word[1] && word[1] != '-') {
			/* the last letter of a cluster may take the next word */
			i += strchr(w->valued, word[strlen(word) - 1]) && (!word[2] || !strchr(w->valued, word[1]));
		} else if (options && word[0] == '-') {
			continue;
		} else if (strchr(word, '=') && word[0] != '/') {
			continue;
		} else if (before) {
			before--;
		} else {
			return i;
		}
	}
	return 0;
}
