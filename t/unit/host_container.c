#include "unit.h"

#include "host/internal.h"

#define ID "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define OTHER "fedcba9876543210fedcba9876543210"

static bool is(const char *text, const char *ours, const char *engine, const char *id)
{
	struct container_name c;

	return container_parse(text, ours, &c) && !strcmp(c.engine, engine) && !strcmp(c.id, id);
}

int main(void)
{
	struct container_name c;

	OK(is("0::/system.slice/docker-" ID ".scope\n", "0::/\n", "docker", ID), "docker under systemd");
	OK(is("12:pids:/docker/" ID "\n0::/\n", "0::/\n", "docker", ID), "docker, old hierarchy");
	OK(is("0::/machine.slice/libpod-" ID ".scope/container\n", "", "podman", ID), "podman");
	OK(!is("0::/machine.slice/libpod-conmon-" ID ".scope\n", "", "podman", ID), "podman's monitor is no container");
	OK(is("0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234.slice/cri-containerd-" ID ".scope\n", "",
	      "containerd", ID), "containerd in a pod");
	OK(is("0::/kubepods/besteffort/pod0-1-2/" ID "\n", "", "kubernetes", ID), "a pod without systemd");
	OK(is("0::/lxc.payload.web-1/system.slice/cron.service\n", "", "lxc", "web-1"), "lxc");
	OK(is("4:memory:/lxc/db/init.scope\n", "", "lxc", "db"), "lxc, old hierarchy");
	OK(is("0::/machine.slice/systemd-nspawn@deb\\x2d12.service/payload\n", "", "nspawn", "deb-12"), "nspawn, escaped");
	OK(is("0::/machine.slice/machine-a\\x2db.scope\n", "", "machined", "a-b"), "machined");
	OK(is("0::/docker/" ID "/lxc.payload.inner/x\n", "", "lxc", "inner"), "the innermost counts");
	OK(is("4:memory:/jobs/" OTHER "\n0::/docker/" ID "\n", "4:memory:/jobs/" OTHER "\n", "docker", ID),
	   "what our own processes are in says nothing");
	OK(!container_parse("0::/\n", "", &c), "the root group is none");
	OK(container_parse("0::/user.slice/user-0.slice/session-1.scope\n", "0::/\n", &c) && !c.id[0]
	   && !strcmp(c.cgroup, "/user.slice/user-0.slice/session-1.scope"), "a session is no container, though it has a group");
	OK(!container_parse("", "", &c) && !container_parse("x", "", &c) && !container_parse("::", "", &c) && !container_parse("a:b\n\n:", "", &c),
	   "text in no form");
	OK(container_parse("0::/machine-\\x2\\x\\.scope\n", "", &c), "half an escape");
	return unit_end();
}
