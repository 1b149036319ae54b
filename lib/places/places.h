/*
 * places: where things start by themselves: one table for whoever reads what stands there (host) and whoever sees it change
 * (micro). Uses base. Never knows what an entry starts.
 */
#ifndef PLACES_H
#define PLACES_H

#include "base/base.h"

/* How a start-up file is written. */
enum form {
	FORM_CRON_SYSTEM, FORM_CRON_USER, FORM_ANACRON, FORM_SCRIPT, FORM_UNIT, FORM_DESKTOP, FORM_LINK,
	FORM_PROGRAM,      /* the file itself is the code, in whatever language */
	FORM_ENVIRONMENT,  /* settings of variables; those of every other form are looked at as well */
	FORM_APT, FORM_GIT,
	/* one entry a line: */
	FORM_PRELOAD, FORM_MODULES, FORM_MODPROBE, FORM_INITTAB, FORM_UDEV, FORM_PAM, FORM_NSS, FORM_LINKER, FORM_KEYS, FORM_PTH,
	FORM_BINFMT, FORM_BINFMT_PROC, FORM_HELPER, FORM_SYSCTL, FORM_INETD, FORM_INCRON, FORM_BOOT, FORM_REQUEST_KEY, FORM_PIPES,
	FORM_LOGROTATE, FORM_PASSWD, FORM_POLKIT,
	/* "key value" or "key = value", the keys that count in host's keyed.c: */
	FORM_SSHD, FORM_SSH, FORM_DPKG, FORM_XINETD, FORM_INTERFACES, FORM_WIREGUARD, FORM_SUPERVISOR, FORM_LIGHTDM, FORM_AUDIT,
	FORM_ACPI, FORM_TMUX, FORM_WM, FORM_PHP, FORM_UPSTART, FORM_DNSMASQ, FORM_SNMP, FORM_BINFMT_SUPPORT, FORM_OPENVPN, FORM_DHCP,
	FORMS
};

#define PLACE_WHOLE 1u    /* the file as a whole is the entry */
#define PLACE_BELOW 2u    /* the folders in it count as well: unit.d, target.wants */
#define PLACE_RUNS 4u     /* only files that may be executed */
#define PLACE_HOST 8u     /* the running kernel's, which containers share */
#define PLACE_QUIET 16u   /* names much that need not be there */
#define PLACE_CHANGED 32u /* of interest when something changes it; nobody reads it as it stands */
struct place {
	const char *path;         /* "*" stands for any name or part of one; ends in "/": a folder, all of whose files count */
	const char *place;        /* the sighting's word */
	enum form form;
	unsigned flags;
	const char *endings;      /* only files that end so, "|" between; NULL: all */
};
/* Those of the system, and those below a home; path NULL at the end. */
extern const struct place places_system[], places_user[];

/* Does `name` end with one of them? NULL: always. An ending alone is no name. */
bool places_ending(const char *name, const char *endings);
/* The place that a file at this absolute path belongs to: of the system, of /root, of a folder in /home, or of what new homes are
 * made of. executable: it may be executed. NULL: none. */
const struct place *places_find(const char *path, bool executable);

#endif
