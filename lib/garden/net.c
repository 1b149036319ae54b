#include "garden/garden-internal.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

/* As `ip route add local 0.0.0.0/0 dev lo`: a connection to wherever is refused here instead of failing for want of a route. */
static int local_route(int sock, unsigned char family, unsigned index)
{
	struct {
		struct nlmsghdr h;
		struct rtmsg r;
		struct rtattr a;
		unsigned oif;
	} q = {
		.h = { .nlmsg_len = sizeof q, .nlmsg_type = RTM_NEWROUTE, .nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK },
		.r = { .rtm_family = family, .rtm_table = RT_TABLE_LOCAL, .rtm_protocol = RTPROT_BOOT,
		       .rtm_scope = RT_SCOPE_HOST, .rtm_type = RTN_LOCAL },
		.a = { .rta_len = RTA_LENGTH(sizeof(unsigned)), .rta_type = RTA_OIF },
		.oif = index,
	};
	struct { struct nlmsghdr h; struct nlmsgerr e; char more[512]; } answer;

	if (send(sock, &q, sizeof q, 0) != (ssize_t)sizeof q)
		return -1;
	if (recv(sock, &answer, sizeof answer, 0) < (ssize_t)(sizeof answer.h + sizeof answer.e.error))
		return -1;
	return answer.h.nlmsg_type == NLMSG_ERROR && answer.e.error == 0 ? 0 : -1;
}

int net_up(struct err *e)
{
	struct ifreq r = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), nl;
	unsigned index;

	if (s < 0)
		return err_sys(e, "cannot make a socket");
	memcpy(r.ifr_name, "lo", sizeof "lo");
	r.ifr_flags = IFF_UP | IFF_RUNNING;
	if (ioctl(s, SIOCSIFFLAGS, &r)) {
		close(s);
		return err_sys(e, "cannot bring the loopback interface up");
	}
	index = if_nametoindex("lo");
	close(s);
	nl = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (nl < 0)
		return err_sys(e, "cannot make a socket");
	/* A machine without IPv6 is as good. */
	if (local_route(nl, AF_INET, index))
		msg_debug("addresses have no route in the garden");
	local_route(nl, AF_INET6, index);
	close(nl);
	return 0;
}
