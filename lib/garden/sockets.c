#include "garden/garden-internal.h"

#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <linux/sock_diag.h>
#include <linux/unix_diag.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static uint64_t of_socket(struct nlmsghdr *h, size_t fixed, unsigned short wanted)
{
	struct rtattr *a = (void *)((char *)NLMSG_DATA(h) + NLMSG_ALIGN(fixed));
	size_t left = NLMSG_PAYLOAD(h, fixed);
	uint32_t m[SK_MEMINFO_WMEM_ALLOC + 1];

	if (h->nlmsg_len < NLMSG_LENGTH(fixed))
		return 0;
	for (; RTA_OK(a, left); a = RTA_NEXT(a, left)) {
		if (a->rta_type != wanted || RTA_PAYLOAD(a) < sizeof m)
			continue;
		memcpy(m, RTA_DATA(a), sizeof m);
		return (uint64_t)m[SK_MEMINFO_RMEM_ALLOC] + m[SK_MEMINFO_WMEM_ALLOC];
	}
	return 0;
}

/* Sends one question of sock_diag(7) and adds up its answers. */
static uint64_t ask(int sock, const void *question, size_t n, size_t fixed, unsigned short wanted)
{
	_Alignas(struct nlmsghdr) char answer[32768];
	uint64_t total = 0;
	ssize_t got;

	if (send(sock, question, n, 0) != (ssize_t)n)
		return 0;
	for (;;) {
		struct nlmsghdr *h = (void *)answer;
		size_t left;

		got = recv(sock, answer, sizeof answer, 0);
		if (got <= 0)
			return total;
		left = (size_t)got;
		for (; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
			if (h->nlmsg_type == NLMSG_DONE || h->nlmsg_type == NLMSG_ERROR)
				return total;
			total += of_socket(h, fixed, wanted);
		}
	}
}

uint64_t sockets_held(void)
{
	struct { struct nlmsghdr h; struct unix_diag_req r; } unix_question = {
		.h = { sizeof unix_question, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 },
		.r = { .sdiag_family = AF_UNIX, .udiag_states = ~0U, .udiag_show = UDIAG_SHOW_MEMINFO } };
	struct { struct nlmsghdr h; struct inet_diag_req_v2 r; } inet = {
		.h = { sizeof inet, SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST | NLM_F_DUMP, 0, 0 },
		.r = { .idiag_ext = 1u << (INET_DIAG_SKMEMINFO - 1), .idiag_states = ~0U } };
	static const struct { unsigned char family, protocol; } INETS[] = { { AF_INET, IPPROTO_TCP }, { AF_INET6, IPPROTO_TCP }, { AF_INET, IPPROTO_UDP },
		{ AF_INET6, IPPROTO_UDP } };
	struct timeval second = { 1, 0 };
	int sock = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
	uint64_t total;

	if (sock < 0)
		return 0;
	setsockopt(sock, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
	total = ask(sock, &unix_question, sizeof unix_question, sizeof(struct unix_diag_msg), UNIX_DIAG_MEMINFO);
	for (size_t i = 0; i < sizeof INETS / sizeof *INETS; i++) {
		inet.r.sdiag_family = INETS[i].family;
		inet.r.sdiag_protocol = INETS[i].protocol;
		total += ask(sock, &inet, sizeof inet, sizeof(struct inet_diag_msg), INET_DIAG_SKMEMINFO);
	}
	close(sock);
	return total;
}
