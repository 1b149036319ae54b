/* Linux's system calls for the network. There is none: sockets are made, whom they are to reach is told, and nobody answers. */
#include "emulate/linux.h"

#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>

static int64_t sys_socket(struct linux_process *l, const uint64_t *a) { (void)a; return linux_fd_new(l, FD_SOCKET, 0); }
static int64_t zero(struct linux_process *l, const uint64_t *a) { (void)l; (void)a; return 0; }
static int64_t nobody(struct linux_process *l, const uint64_t *a) { (void)l; (void)a; return -EAGAIN; }

static void tell_address(struct linux_process *l, uint64_t at)
{
	unsigned char b[24];
	char text[INET6_ADDRSTRLEN] = "";
	unsigned family = (unsigned)machine_number(l->m, at, 2), port = ntohs((uint16_t)machine_number(l->m, at + 2, 2));

	if (family == AF_INET && machine_read(l->m, at + 4, b, 4))
		inet_ntop(AF_INET, b, text, sizeof text);
	else if (family == AF_INET6 && machine_read(l->m, at + 8, b, 16))
		inet_ntop(AF_INET6, b, text, sizeof text);
	if (*text)
		linux_finding(l, "connects", "it calls %s port %u", text, port);
}

static int64_t sys_connect(struct linux_process *l, const uint64_t *a)
{
	tell_address(l, a[1]);
	return linux_fd(l, a[0]) ? -ENETUNREACH : -EBADF;
}

static int64_t sys_sendto(struct linux_process *l, const uint64_t *a)
{
	if (a[4])
		tell_address(l, a[4]);
	return -ENETUNREACH;
}

static int64_t unreachable(struct linux_process *l, const uint64_t *a) { (void)l; (void)a; return -ENETUNREACH; }

/* 32-bit programs put all of them through one call. */
static int64_t sys_socketcall(struct linux_process *l, const uint64_t *a)
{
	uint64_t v[6];

	for (unsigned i = 0; i < 6; i++)
		v[i] = machine_number(l->m, a[1] + 4 * i, 4);
	switch (a[0]) {
	case 1: return sys_socket(l, v);
	case 3: return sys_connect(l, v);
	case 9: case 16: return unreachable(l, v);
	case 11: return sys_sendto(l, v);
	case 5: case 10: case 12: case 17: return -EAGAIN;
	default: return 0;
	}
}

/* A wait without end would last for ever. */
static int64_t sys_poll(struct linux_process *l, const uint64_t *a)
{
	(void)a;
	l->slept_ns += 1000000000;
	return 0;
}

const struct linux_entry linux_net_table[] = {
	{ 41, 359, "socket", "ddd", sys_socket }, { 42, 362, "connect", "dpd", sys_connect }, { 43, 364, "accept", "dpp", nobody }, { 44, 369, "sendto", "dtxxpd", sys_sendto },
	{ 45, 371, "recvfrom", "dpx", nobody }, { 46, 370, "sendmsg", "dpx", unreachable }, { 47, 372, "recvmsg", "dpx", nobody }, { 48, 373, "shutdown", "dd", zero },
	{ 49, 361, "bind", "dpd", zero }, { 50, 363, "listen", "dd", zero }, { 51, 367, "getsockname", "dpp", zero }, { 54, 366, "setsockopt", "dddpd", zero },
	{ 55, 365, "getsockopt", "dddpp", zero }, { -1, 102, "socketcall", "dp", sys_socketcall }, { 7, 168, "poll", "pdd", sys_poll }, { 271, 309, "ppoll", "pdp", sys_poll },
	{ 23, 142, "select", "dpppp", sys_poll }, { 270, 308, "pselect6", "dpppp", sys_poll }, { 288, -1, "accept4", "dppx", nobody },
	{ 0, 0, NULL, NULL, NULL },
};
