#include "internet/internal.h"

#include <string.h>

static const struct service *const streams[] = {
	&http_service, &irc_service, &smtp_service, &pop3_service, &imap_service, &ftp_service, &telnet_service, &ssh_service, &socks_service,
	&dns_service, &echo_service, &discard_service, &daytime_service, &time_service, &chargen_service, &quotd_service, &finger_service,
	&ident_service, &syslog_service, NULL,
};
static const struct datagram_service *const datagrams[] = {
	&dns_datagrams, &ntp_datagrams, &tftp_datagrams, &echo_datagrams, &discard_datagrams, &daytime_datagrams, &time_datagrams,
	&chargen_datagrams, &quotd_datagrams, &syslog_datagrams, NULL,
};

const struct service *serve_stream(const char *name)
{
	for (size_t i = 0; streams[i]; i++)
		if (!strcmp(streams[i]->name, name))
			return streams[i];
	return NULL;
}

const struct datagram_service *serve_datagram(const char *name)
{
	for (size_t i = 0; datagrams[i]; i++)
		if (!strcmp(datagrams[i]->name, name))
			return datagrams[i];
	return NULL;
}

const struct service *serve_port(const struct net *n, uint16_t port, bool *tls)
{
	*tls = n->serve->tls[port];
	return n->serve->tcp[port];
}

const struct datagram_service *serve_udp_port(const struct net *n, uint16_t port)
{
	return n->serve->udp[port];
}

static int load_one(struct serve *s, const json_t *o, struct err *e)
{
	const char *name = jsonio_str(o, "service"), *protocol = jsonio_str(o, "protocol");
	const json_t *ports = json_object_get(o, "ports"), *v;
	const struct service *stream = name ? serve_stream(name) : NULL;
	const struct datagram_service *datagram = name ? serve_datagram(name) : NULL;
	bool udp = protocol && !strcmp(protocol, "udp");
	size_t i;

	if (!protocol || (!udp && strcmp(protocol, "tcp") != 0) || (udp ? !datagram : !stream))
		return err_set(e, EX_CONFIG, "no service %s for %s", err_q(name ? name : ""), err_q(protocol ? protocol : ""));
	json_array_foreach(ports, i, v) {
		json_int_t port = json_integer_value(v);

		if (port < 1 || port > 65535)
			return err_set(e, EX_CONFIG, "a port of service %s is none", err_q(name));
		if (udp) {
			s->udp[port] = datagram;
		} else {
			s->tcp[port] = stream;
			s->tls[port] = jsonio_bool(o, "tls", false);
		}
	}
	return 0;
}

int serve_load(struct serve *s, const json_t *settings, struct err *e)
{
	const json_t *list = json_object_get(settings, "services"), *o;
	size_t i;

	json_array_foreach(list, i, o) {
		if (load_one(s, o, e))
			return -1;
	}
	return 0;
}

const char *serve_text(const struct net *n, const char *service, const char *key, const char *otherwise)
{
	const char *s = jsonio_str(json_object_get(n->settings, service), key);

	return s ? s : otherwise;
}

json_int_t serve_number(const struct net *n, const char *service, const char *key, json_int_t otherwise)
{
	return jsonio_int(json_object_get(n->settings, service), key, otherwise);
}

const json_t *serve_list(const struct net *n, const char *service, const char *key)
{
	const json_t *v = json_object_get(json_object_get(n->settings, service), key);

	return json_is_array(v) ? v : NULL;
}
