/* Files of keys and values, a few of which are what somebody runs. */
#include "host/internal.h"

#include <stdlib.h>
#include <string.h>

/* Keys with "|" between; "/1": a word stands before the command. */
static const struct keyed { enum form form; const char *keys; } forms[] = {
	{ FORM_SSHD, "ForceCommand|AuthorizedKeysCommand|AuthorizedPrincipalsCommand|Subsystem/1|SecurityKeyProvider" },
	{ FORM_SSH, "ProxyCommand|LocalCommand|KnownHostsCommand|PKCS11Provider|SecurityKeyProvider|Match" },
	{ FORM_DPKG, "pre-invoke|post-invoke|status-logger" },
	{ FORM_XINETD, "server" },
	{ FORM_INTERFACES, "up|post-up|pre-up|down|pre-down|post-down" },
	{ FORM_WIREGUARD, "PreUp|PostUp|PreDown|PostDown" },
	{ FORM_SUPERVISOR, "command" },
	{ FORM_LIGHTDM, "display-setup-script|display-stopped-script|greeter-setup-script|session-setup-script|session-cleanup-script"
	                "|session-wrapper|greeter-wrapper|xserver-command" },
	{ FORM_AUDIT, "path" },
	{ FORM_ACPI, "action" },
	{ FORM_TMUX, "run|run-shell|if|if-shell|default-command|set/2|set-option/2" },
	{ FORM_WM, "exec|exec_always|exec-once" },
	{ FORM_PHP, "auto_prepend_file|auto_append_file|extension|zend_extension" },
	{ FORM_UPSTART, "exec|pre-start/1|post-start/1|pre-stop/1|post-stop/1" },
	{ FORM_DNSMASQ, "dhcp-script|dhcp-luascript" },
	{ FORM_SNMP, "extend/1|extendfix/1|extend-sh/1|exec/1|sh/1|pass/1|pass_persist/1" },
	{ FORM_BINFMT_SUPPORT, "interpreter|detector" },
	{ FORM_OPENVPN, "up|down|route-up|route-pre-down|client-connect|client-disconnect|learn-address|ipchange|tls-verify"
	                "|auth-user-pass-verify|plugin" },
	{ FORM_DHCP, "script" },
};

static const char *keys_of(enum form form)
{
	size_t i;

	for (i = 0; i < sizeof(forms) / sizeof(*forms); i++)
		if (forms[i].form == form)
			return forms[i].keys;
	return NULL;
}

/* How many words stand before that key's command; -1: the key is none of these. */
static int key_among(const char *keys, const char *key, size_t n)
{
	while (*keys) {
		size_t k = strcspn(keys, "|/");

		if (k == n && !strncasecmp(keys, key, n))
			return keys[k] == '/' ? keys[k + 1] - '0' : 0;
		keys += strcspn(keys, "|");
		keys += *keys == '|';
	}
	return -1;
}

/* Values that are words of the form's own. */
static bool own_word(enum form form, const char *value)
{
	static const char *const words[] = { "internal-sftp", "none", "yes", "no", "true", "false", "default" };
	size_t i, n = strcspn(value, " \t");

	for (i = 0; i < sizeof(words) / sizeof(*words); i++)
		if (strlen(words[i]) == n && !strncasecmp(value, words[i], n))
			return true;
	/* an extension's bare name, a plugin that is built in */
	return (form == FORM_PHP || form == FORM_AUDIT || form == FORM_BINFMT_SUPPORT) && *value != '/';
}

/* What of the value is the command: quotes around all of it, words before it and options of the key's own taken away. */
static char *command_of(enum form form, char *value, int before)
{
	size_t n;
	char *match;

	for (; before; before--) {
		value += strcspn(value, " \t");
		value += strspn(value, " \t");
	}
	if (form == FORM_SSH && (match = strcasestr(value, "exec ")))
		value = match + 5 + strspn(match + 5, " \t");
	for (n = strlen(value); n && strchr(" \t\r;", value[n - 1]); n--)
		value[n - 1] = '\0';
	while ((form == FORM_WM || form == FORM_TMUX) && *value == '-' && strchr(value, ' ')) {
		value += strcspn(value, " ");
		value += strspn(value, " ");
	}
	n = strlen(value);
	if (n > 1 && (*value == '"' || *value == '\'') && value[n - 1] == *value && !memchr(value + 1, *value, n - 2)) {
		value[n - 1] = '\0';
		value++;
	}
	if (form == FORM_UPSTART && !strncmp(value, "exec ", 5))
		value += 5;
	return value;
}

static void keyed_line(struct startup *s, unsigned line, const char *text, size_t length, char *copy)
{
	enum form form = s->form;
	char *key = copy + strspn(copy, " \t"), *value;
	size_t n = strcspn(key, " \t=");
	int before = key_among(keys_of(form), key, n);
	bool setting = form == FORM_TMUX && before == 2;

	if (form == FORM_WM && *key == '@') {
		entry_command(s, line, text, length, key + 1, strlen(key + 1), NULL, false);
		return;
	}
	if (!n || before < 0)
		return;
	value = key + n;
	value += strspn(value, " \t");
	value += *value == '=';
	value += strspn(value, " \t");
	/* of tmux's settings only the command of a new window counts */
	if (setting && (value = strstr(value, "default-command")))
		value += strcspn(value, " ") + 1;
	if (!value || (!strncasecmp(key, "Match", 5) && !strcasestr(value, "exec ")))
		return;
	value = command_of(form, value, setting ? 0 : before);
	if (!*value || own_word(form, value))
		return;
	if (form == FORM_XINETD || form == FORM_PHP || form == FORM_BINFMT_SUPPORT)
		entry_file(s, line, text, length, value);
	else
		entry_command(s, line, text, length, value, strlen(value), NULL, false);
}

void keyed_read(struct startup *s)
{
	if (keys_of(s->form))
		perline_each(s, keyed_line, s->form == FORM_INTERFACES);
}
