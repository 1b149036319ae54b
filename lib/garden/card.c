#include "garden/garden-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/utsname.h>
#include <unistd.h>

/* Kinds of interface that look like a card and lead nowhere unless told to. */
static const char *const KINDS[] = { "dummy", "ifb", "bridge" };

/* Does the kernel have it without loading a module? A run must not change the machine. */
static bool is_there(const char *kind)
{
	struct utsname u;
	struct buf b = { 0 };
	char path[256], line[64];
	bool found;

	snprintf(path, sizeof path, "/sys/module/%s", kind);
	if (access(path, F_OK) == 0 || access("/proc/modules", F_OK))
		return true;
	if (uname(&u))
		return false;
	snprintf(path, sizeof path, "/lib/modules/%s/modules.builtin", u.release);
	snprintf(line, sizeof line, "/%s.ko\n", kind);
	found = io_slurp_at(AT_FDCWD, path, MIB, &b) > 0 && strstr(buf_str(&b), line);
	buf_free(&b);
	return found;
}

void card_kinds(struct machine *m)
{
	for (unsigned i = 0; i < sizeof KINDS / sizeof *KINDS; i++)
		if (is_there(KINDS[i]))
			m->kinds |= 1u << i;
}

/* ---- rtnetlink(7) ---- */

struct request {
	struct nlmsghdr h;
	unsigned char rest[512];
};

static void *part(struct request *q, size_t n)
{
	void *p = (unsigned char *)q + NLMSG_ALIGN(q->h.nlmsg_len);

	q->h.nlmsg_len = (unsigned)(NLMSG_ALIGN(q->h.nlmsg_len) + n);
	return p;
}

static struct rtattr *attribute(struct request *q, unsigned type, const void *p, size_t n)
{
	struct rtattr *a = part(q, RTA_LENGTH(n));

	a->rta_type = (unsigned short)type;
	a->rta_len = (unsigned short)RTA_LENGTH(n);
	if (n)
		memcpy(RTA_DATA(a), p, n);
	return a;
}

static struct request request_of(unsigned type, unsigned flags)
{
	return (struct request){ .h = { .nlmsg_len = NLMSG_HDRLEN, .nlmsg_type = (unsigned short)type,
		.nlmsg_flags = (unsigned short)(NLM_F_REQUEST | NLM_F_ACK | flags) } };
}

static int ask(int sock, const struct request *q)
{
	struct { struct nlmsghdr h; struct nlmsgerr e; char more[1024]; } answer;

	if (send(sock, q, q->h.nlmsg_len, 0) != (ssize_t)q->h.nlmsg_len ||
	    recv(sock, &answer, sizeof answer, 0) < (ssize_t)(sizeof answer.h + sizeof answer.e.error))
		return -1;
	return answer.h.nlmsg_type == NLMSG_ERROR && answer.e.error == 0 ? 0 : -1;
}

static int add_link(int sock, const char *kind, const char *name, const unsigned char mac[6])
{
	struct request q = request_of(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg *i = part(&q, sizeof *i);
	struct rtattr *info;

	i->ifi_flags = i->ifi_change = IFF_UP;
	attribute(&q, IFLA_IFNAME, name, strlen(name) + 1);
	attribute(&q, IFLA_ADDRESS, mac, 6);
	info = attribute(&q, IFLA_LINKINFO, NULL, 0);
	attribute(&q, IFLA_INFO_KIND, kind, strlen(kind));
	info->rta_len = (unsigned short)((unsigned char *)&q + NLMSG_ALIGN(q.h.nlmsg_len) - (unsigned char *)info);
	q.h.nlmsg_len = NLMSG_ALIGN(q.h.nlmsg_len);
	return ask(sock, &q);
}

static int add_address(int sock, unsigned index, const struct in_addr *address)
{
	struct request q = request_of(RTM_NEWADDR, NLM_F_CREATE);
	struct ifaddrmsg *a = part(&q, sizeof *a);
	struct in_addr broadcast = { address->s_addr | htonl(0xff) };

	*a = (struct ifaddrmsg){ .ifa_family = AF_INET, .ifa_prefixlen = 24, .ifa_index = index };
	attribute(&q, IFA_LOCAL, address, sizeof *address);
	attribute(&q, IFA_ADDRESS, address, sizeof *address);
	attribute(&q, IFA_BROADCAST, &broadcast, sizeof broadcast);
	return ask(sock, &q);
}

/* To be seen only: every address is local before the kernel comes to this one (net.c). */
static int add_gateway(int sock, unsigned index, const struct in_addr *gateway)
{
	struct request q = request_of(RTM_NEWROUTE, NLM_F_CREATE);
	struct rtmsg *r = part(&q, sizeof *r);

	*r = (struct rtmsg){ .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_UNIVERSE, .rtm_type = RTN_UNICAST, .rtm_flags = RTNH_F_ONLINK };
	attribute(&q, RTA_GATEWAY, gateway, sizeof *gateway);
	attribute(&q, RTA_OIF, &index, sizeof index);
	return ask(sock, &q);
}

/* The card's own net is nearer than "every address" (net.c), which the kernel goes by first: its neighbours answer as well. */
static int add_neighbours(int sock, const struct in_addr *address)
{
	struct request q = request_of(RTM_NEWROUTE, NLM_F_CREATE);
	struct rtmsg *r = part(&q, sizeof *r);
	struct in_addr net = { address->s_addr & htonl(0xffffff00) };
	unsigned lo = if_nametoindex("lo");

	*r = (struct rtmsg){ .rtm_family = AF_INET, .rtm_dst_len = 24, .rtm_table = RT_TABLE_LOCAL, .rtm_protocol = RTPROT_BOOT,
		.rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL };
	attribute(&q, RTA_DST, &net, sizeof net);
	attribute(&q, RTA_OIF, &lo, sizeof lo);
	return ask(sock, &q);
}

static bool read_mac(const char *text, unsigned char mac[6])
{
	for (int i = 0; text && i < 6; i++, text += 3)
		if (strlen(text) < 2 || (i < 5 && text[2] != ':') || digest_unhex((char[]){ text[0], text[1], '\0' }, &mac[i], 1))
			return false;
	return text != NULL;
}

void card_plug(const struct machine *m)
{
	const json_t *o = json_object_get(m->plan, "card");
	const char *name = jsonio_str(o, "name"), *address = jsonio_str(o, "address"), *gateway = jsonio_str(o, "gateway");
	struct in_addr own, other;
	unsigned char mac[6];
	unsigned index;
	int sock;

	if (!name || strlen(name) >= IF_NAMESIZE || !read_mac(jsonio_str(o, "mac"), mac))
		return;
	sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	for (unsigned i = 0; sock >= 0 && i < sizeof KINDS / sizeof *KINDS; i++)
		if (m->kinds & 1u << i && add_link(sock, KINDS[i], name, mac) == 0)
			break;
	index = sock >= 0 ? if_nametoindex(name) : 0;
	if (!index)
		msg_debug("the run has no network card");
	else if (address && inet_pton(AF_INET, address, &own) == 1 && add_address(sock, index, &own) == 0 && add_neighbours(sock, &own) == 0 &&
		 gateway && inet_pton(AF_INET, gateway, &other) == 1 && add_gateway(sock, index, &other))
		msg_debug("the run has no gateway");
	io_close(&sock);
}
