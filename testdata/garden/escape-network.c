/* escape: any address family, the machine's listeners, its routes, its shared objects. */
#include "escape.h"

#include <arpa/inet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <mqueue.h>
#include <net/if.h>
#include <net/route.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/socket.h>
#include <sys/un.h>

#define KEY 0x4d555353   /* of the test's shared objects on the machine */

static int family(int domain, int type, const char *name) { return stopped(socket(domain, type, 0), name); }
static int vsock(void) { return family(40, SOCK_STREAM, "vsock"); }
static int alg(void) { return family(38, SOCK_SEQPACKET, "alg"); }
static int bluetooth(void) { return family(31, SOCK_RAW, "bluetooth"); }
static int can(void) { return family(29, SOCK_RAW, "can"); }
static int xdp(void) { return family(44, SOCK_RAW, "xdp"); }
static int key(void) { return family(15, SOCK_RAW, "key"); }
static int tipc(void) { return family(30, SOCK_DGRAM, "tipc"); }

static int families(void)
{
	static const int TYPES[] = { SOCK_STREAM, SOCK_DGRAM, SOCK_RAW, SOCK_SEQPACKET, SOCK_RDM };
	int bad = 0;

	for (int domain = 0; domain <= 46; domain++)
		for (size_t t = 0; t < COUNT(TYPES); t++)
			if (domain != AF_UNIX && domain != AF_INET && domain != AF_INET6 && domain != AF_NETLINK && domain != AF_PACKET) {
				int fd = socket(domain, TYPES[t], 0);

				if (fd >= 0) {
					printf("family %d is allowed\n", domain);
					bad = 1;
				}
			}
	return stopped_if(!bad, "every other address family");
}

static int netlinks(void)
{
	int bad = 0;

	for (int protocol = 1; protocol < 23; protocol++)
		if (protocol != NETLINK_SOCK_DIAG && socket(AF_NETLINK, SOCK_RAW, protocol) >= 0)
			bad = 1;
	return stopped_if(!bad, "audit, events of the kernel, packet filter, generic");
}

/* A frame for everybody: there is nobody but the loopback of its own. */
static int frames(void)
{
	int s = socket(AF_PACKET, SOCK_RAW, htons(3)), bad = 0;
	char frame[60] = { -1, -1, -1, -1, -1, -1 };
	char name[IF_NAMESIZE];

	for (unsigned i = 1; i < 64; i++) {
		struct { unsigned short family, protocol; int index; unsigned char rest[12]; } a = { AF_PACKET, htons(0x88b5), (int)i, { 0 } };

		if (s >= 0 && if_indextoname(i, name) && strcmp(name, "lo") && sendto(s, frame, sizeof frame, 0, (void *)&a, sizeof a) >= 0)
			bad = 1;
	}
	return stopped_if(!bad, "an interface beside the loopback");
}

/* It gets one, as with AF_PACKET, of a network with nothing in it. */
static int old_packet(void)
{
	int s = socket(AF_INET, SOCK_PACKET, htons(3));

	return stopped_if(s < 0 || !if_nametoindex("eth0"), "its own loopback only");
}
static int raw(void)
{
	int s = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);
	/* A datagram to the canary's port. */
	unsigned short udp[6] = { htons(9), htons((unsigned short)port), htons(12), 0, 0x5858, 0x5858 };
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };

	if (s >= 0)
		sendto(s, udp, sizeof udp, 0, (void *)&a, sizeof a);
	return stopped_if(true, "its own loopback only");
}

static int tcp(const char *address, int number)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((unsigned short)number) };
	int s = socket(AF_INET, SOCK_STREAM, 0);

	inet_pton(AF_INET, address, &a.sin_addr);
	return stopped(connect(s, (void *)&a, sizeof a), address);
}

static int listener(void) { return tcp("127.0.0.1", port); }
static int outside(void) { return tcp("192.0.2.7", port) | tcp("198.51.100.1", 53) | tcp("169.254.169.254", 80) | tcp("10.0.2.2", 22); }

static int listener6(void)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6, .sin6_port = htons((unsigned short)port), .sin6_addr = IN6ADDR_LOOPBACK_INIT };
	int s = socket(AF_INET6, SOCK_STREAM, 0);

	return stopped(s < 0 ? -1 : connect(s, (void *)&a, sizeof a), "::1");
}

/* The canary would have it; the test looks. */
static int datagram(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_port = htons((unsigned short)port), .sin_addr = { htonl(INADDR_LOOPBACK) } };

	sendto(socket(AF_INET, SOCK_DGRAM, 0), "escaped", 7, 0, (void *)&a, sizeof a);
	return stopped_if(true, "sent to its own loopback");
}

static int echo(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET };
	char request[16] = { 8 };
	int s = socket(AF_INET, SOCK_DGRAM, IPPROTO_ICMP);

	if (s < 0)
		s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);
	inet_pton(AF_INET, "192.0.2.7", &a.sin_addr);
	if (s >= 0)
		sendto(s, request, sizeof request, 0, (void *)&a, sizeof a);
	return stopped_if(true, "sent to its own loopback");
}

static int unix_socket(const char *path, size_t n)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };

	memcpy(a.sun_path, path, n < sizeof a.sun_path ? n : sizeof a.sun_path);
	return stopped(connect(socket(AF_UNIX, SOCK_STREAM, 0), (void *)&a, (socklen_t)(sizeof a.sun_family + n)), *path ? path : "an abstract name");
}

static int abstract(void)
{
	char name[100] = "";

	return unix_socket(name, 1 + (size_t)snprintf(name + 1, sizeof name - 1, "%s", strrchr(folder, '/') + 1));
}

static int well_known(void)
{
	static const char *const PATHS[] = { "/run/dbus/system_bus_socket", "/run/systemd/private", "/run/docker.sock", "/var/run/docker.sock",
		"/run/containerd/containerd.sock", "/tmp/.X11-unix/X0", "/run/udev/control" };
	int bad = unix_socket("\0/tmp/.X11-unix/X0", 18);

	for (size_t i = 0; i < COUNT(PATHS); i++)
		bad |= unix_socket(PATHS[i], strlen(PATHS[i]));
	return bad;
}

static int route(void)
{
	struct { struct nlmsghdr h; struct rtmsg r; struct rtattr a; unsigned index; } q = {
		.h = { sizeof q, RTM_NEWROUTE, NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK, 1, 0 },
		.r = { .rtm_family = AF_INET, .rtm_table = RT_TABLE_MAIN, .rtm_protocol = RTPROT_BOOT, .rtm_scope = RT_SCOPE_LINK, .rtm_type = RTN_UNICAST },
		.a = { RTA_LENGTH(4), RTA_OIF }, .index = 1 };
	struct { struct nlmsghdr h; int error; char rest[256]; } answer = { 0 };
	struct sockaddr_nl kernel = { .nl_family = AF_NETLINK };
	int s = socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE);

	sendto(s, &q, sizeof q, 0, (void *)&kernel, sizeof kernel);
	if (recv(s, &answer, sizeof answer, 0) < 20)
		return stopped(-1, "no answer");
	errno = -answer.error;
	return stopped(answer.error ? -1 : 0, "a route");
}

static int route_ioctl(void)
{
	struct rtentry r = { 0 };
	struct ifreq i = { .ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING };
	int s = socket(AF_INET, SOCK_DGRAM, 0);

	return stopped(ioctl(s, SIOCADDRT, &r), "a route") | stopped(ioctl(s, SIOCSIFFLAGS, &i), "an interface");
}

static int semaphores(void) { return stopped(semget(KEY, 0, 0), "a semaphore of the machine"); }
static int messages(void) { return stopped(msgget(KEY, 0), "a queue of the machine"); }
static int queue(void)
{
	char name[100];

	snprintf(name, sizeof name, "/%.90s", strrchr(folder, '/') + 1);
	return stopped(mq_open(name, O_RDWR), "a POSIX queue of the machine");
}

static int shared(void)
{
	char name[100];

	snprintf(name, sizeof name, "/%.90s", strrchr(folder, '/') + 1);
	return stopped(shm_open(name, O_RDWR, 0), "POSIX shared memory of the machine");
}

#define TRY(name, kind, record, what, function) { name, kind, record, what, function, 0, { 0 }, false }
#define SOCKET(name, record, what, function) TRY(name, "sockets", record, what, function)

const struct attempt escape_network[] = {
	SOCKET("vsock", "socket:vsock", "the host of a virtual machine", vsock), SOCKET("alg", "socket:alg", "the kernel's ciphers", alg),
	SOCKET("bluetooth", "socket:bluetooth", "radio", bluetooth), SOCKET("can", "socket:family 29", "a vehicle's bus", can),
	SOCKET("xdp", "socket:family 44", "packets past the kernel", xdp), SOCKET("pf-key", "socket:family 15", "keys of IPsec", key),
	SOCKET("tipc", "socket:family 30", "a cluster's network", tipc), SOCKET("families", "socket:family 45", "every other family up to 46", families),
	SOCKET("netlink", "socket:netlink", "every netlink protocol that is not about routes or sockets", netlinks),
	SOCKET("packet", "socket:packet", "a frame on every interface", frames), SOCKET("packet-old", "socket:raw", "the same in the old way", old_packet),
	SOCKET("raw", "socket:raw", "a datagram made by hand, to the machine", raw),
	SOCKET("tcp", "connect:127.0.0.1", "a listener on the machine's loopback", listener), SOCKET("tcp6", "connect:::1|socket:EAFNOSUPPORT", "the same, IPv6", listener6),
	SOCKET("udp", "sendto:127.0.0.1", "the same, UDP", datagram), SOCKET("icmp", "sendto:192.0.2.7", "an echo request to outside", echo),
	SOCKET("outside", "connect:169.254.169.254", "addresses outside, a cloud's among them", outside),
	SOCKET("abstract", "connect:@abstract", "a socket of the machine without a file", abstract),
	SOCKET("well-known", "connect:/run/docker.sock", "D-Bus, systemd, Docker, X11", well_known),
	SOCKET("route", "sendto:netlink", "a route, by netlink", route), SOCKET("route-ioctl", "denied:SIOCADDRT", "a route and an interface, in the old way", route_ioctl),
	TRY("semget", "shared objects", "call:semget", "semaphores of the machine", semaphores),
	TRY("msgget", "shared objects", "call:msgget", "message queues of the machine", messages),
	TRY("mq-open", "shared objects", "call:mq_open", "the same of POSIX", queue),
	TRY("shm-open", "shared objects", "open:ENOENT", "shared memory of POSIX", shared),
	{ 0 },
};
