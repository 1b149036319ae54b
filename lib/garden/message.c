#include "garden/garden-internal.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/* The JSON text travels in a memory file, so that no answer is too long for a datagram. */
static int body_file(const json_t *body, struct err *e)
{
	struct buf b = { 0 };
	int fd = memfd_create("message", MFD_CLOEXEC);

	if (fd < 0)
		return err_sys(e, "cannot make a memory file");
	jsonio_dump_line(body, &b);
	if (io_write(fd, b.p, b.len)) {
		err_sys(e, "cannot write a memory file");
		io_close(&fd);
	}
	buf_free(&b);
	return fd;
}

int message_send(int sock, json_t *body, const struct message_fd *fds, struct err *e)
{
	union { char space[CMSG_SPACE(sizeof(int) * (MESSAGE_FDS + 1))]; struct cmsghdr align; } control = { 0 };
	char byte = 'm';
	struct iovec iov = { &byte, 1 };
	struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control };
	int send[MESSAGE_FDS + 1], rc = -1;
	unsigned n = 1;
	json_t *names = json_array();
	struct cmsghdr *c;

	for (; fds && fds->name && n <= MESSAGE_FDS; fds++) {
		if (fds->fd < 0)
			continue;
		json_array_append_new(names, json_string(fds->name));
		send[n++] = fds->fd;
	}
	json_object_set_new(body, "fds", names);
	send[0] = body_file(body, e);
	if (send[0] < 0)
		goto out;
	m.msg_controllen = CMSG_SPACE(sizeof(int) * n);
	c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), send, sizeof(int) * n);
	while ((rc = (int)sendmsg(sock, &m, MSG_NOSIGNAL)) < 0 && errno == EINTR)
		;
	if (rc < 0) {
		bool gone = errno == EPIPE || errno == ECONNRESET;

		err_sys(e, "cannot reach the keeper of the garden");
		if (gone)
			e->code = EX_UNAVAILABLE;
	}
	close(send[0]);
out:
	json_decref(body);
	return rc < 0 ? -1 : 0;
}

static int await(int sock, int ms, struct err *e)
{
	int64_t end = clock_mono_ms() + ms;

	for (;;) {
		struct pollfd p = { .fd = sock, .events = POLLIN };
		int64_t left = ms < 0 ? -1 : end - clock_mono_ms();
		int r = poll(&p, 1, ms < 0 ? -1 : left > 0 ? (int)left : 0);

		if (r > 0)
			return 0;
		if (r == 0)
			return err_set(e, EX_TEMPFAIL, "the garden did not answer in time");
		if (errno != EINTR)
			return err_sys(e, "cannot wait for the garden");
	}
}

int message_receive(int sock, int ms, struct message *m, struct err *e)
{
	union { char space[CMSG_SPACE(sizeof(int) * (MESSAGE_FDS + 1))]; struct cmsghdr align; } control;
	char byte;
	struct iovec iov = { &byte, 1 };
	struct msghdr h = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control };
	int got[MESSAGE_FDS + 1] = { 0 };
	struct buf text = { 0 };
	unsigned n = 0;
	ssize_t r;

	*m = (struct message){ 0 };
	if (await(sock, ms, e))
		return -1;
	while ((r = recvmsg(sock, &h, MSG_CMSG_CLOEXEC)) < 0 && errno == EINTR)
		;
	if (r <= 0)
		return r == 0 || errno == ECONNRESET ? 0 : err_sys(e, "cannot read from the garden");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c; c = CMSG_NXTHDR(&h, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS || n)
			continue;
		n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		memcpy(got, CMSG_DATA(c), sizeof(int) * n);
	}
	if (n == 0)
		return err_set(e, EX_SOFTWARE, "an empty message from the garden");
	m->fds = n - 1;
	memcpy(m->fd, got + 1, sizeof(int) * m->fds);
	if (lseek(got[0], 0, SEEK_SET) == 0 && io_slurp(got[0], CAP_JSON, &text, "a message from the garden", e) == 0)
		m->body = jsonio_parse(text.p, text.len, "a message from the garden", e);
	close(got[0]);
	buf_free(&text);
	if (!m->body) {
		message_free(m);
		return -1;
	}
	return 1;
}

int message_take(struct message *m, const char *name)
{
	json_t *names = json_object_get(m->body, "fds"), *v;
	size_t i;

	json_array_foreach(names, i, v) {
		const char *s = json_string_value(v);

		if (s && !strcmp(s, name) && i < m->fds) {
			int fd = m->fd[i];

			m->fd[i] = -1;
			return fd;
		}
	}
	return -1;
}

void message_free(struct message *m)
{
	for (unsigned i = 0; i < m->fds; i++)
		io_close(&m->fd[i]);
	json_decref(m->body);
	*m = (struct message){ 0 };
}

int message_call(int sock, json_t *body, const struct message_fd *fds, int ms, struct message *reply, struct err *e)
{
	const char *text;
	int r;

	*reply = (struct message){ 0 };
	if (message_send(sock, body, fds, e))
		return -1;
	r = message_receive(sock, ms, reply, e);
	if (r < 0)
		return -1;
	if (r == 0)
		return err_set(e, EX_UNAVAILABLE, "the keeper of the garden ended unexpectedly");
	text = jsonio_str(reply->body, "error");
	if (text) {
		err_set(e, (int)jsonio_int(reply->body, "code", EX_SOFTWARE), "%s", text);
		message_free(reply);
		return -1;
	}
	return 0;
}

int message_fail(int sock, const struct err *cause)
{
	struct err e;
	json_t *o = json_object();

	json_object_set_new(o, "error", jsonio_bytes(cause->msg, strlen(cause->msg)));
	json_object_set_new(o, "code", json_integer(cause->code));
	return message_send(sock, o, NULL, &e);
}
