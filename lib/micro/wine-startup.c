#include "micro/wine.h"

#include <fnmatch.h>
#include <stdlib.h>
#include <string.h>

/*
 * The start-up places of Windows, as Autoruns (Sysinternals) and MITRE ATT&CK T1547, T1543, T1546, T1053, T1137 list them. Patterns over
 * the whole key and the value's name, letters of either case; a key of 32-bit programs (Wow6432Node) is looked at as the other one.
 */
struct place { const char *name, *key, *value; };
#define CURRENT "*\\Software\\Microsoft\\Windows\\CurrentVersion\\"
#define NT "*\\Software\\Microsoft\\Windows NT\\CurrentVersion\\"
#define CONTROL "HKLM\\System\\*ControlSet*\\Control\\"
static const struct place REGISTRY[] = {
	{ "run-key", CURRENT "Run", "*" }, { "run-key", CURRENT "Policies\\Explorer\\Run", "*" }, { "run-key", CURRENT "RunServices", "*" },
	{ "run-key", NT "Windows", "run" }, { "run-key", NT "Windows", "load" }, { "run-key", CURRENT "Run\\*", "*" },
	{ "run-once", CURRENT "RunOnce", "*" }, { "run-once", CURRENT "RunOnceEx*", "*" }, { "run-once", CURRENT "RunServicesOnce", "*" },
	{ "run-once", CURRENT "RunOnce\\*", "*" },
	{ "service", "HKLM\\System\\*ControlSet*\\Services\\*", "ImagePath" }, { "service", "HKLM\\System\\*ControlSet*\\Services\\*", "ServiceDll" },
	{ "service", "HKLM\\System\\*ControlSet*\\Services\\*", "FailureCommand" },
	{ "winlogon", NT "Winlogon", "Shell" }, { "winlogon", NT "Winlogon", "Userinit" }, { "winlogon", NT "Winlogon", "Taskman" },
	{ "winlogon", NT "Winlogon", "VmApplet" }, { "winlogon", NT "Winlogon", "GinaDLL" }, { "winlogon", NT "Winlogon\\Notify\\*", "DLLName" },
	{ "winlogon", "*\\Environment", "UserInitMprLogonScript" }, { "winlogon", CURRENT "Policies\\System", "Shell" },
	{ "appinit", NT "Windows", "AppInit_DLLs" }, { "appinit", CONTROL "Session Manager\\AppCertDlls", "*" },
	{ "image-options", NT "Image File Execution Options\\*", "Debugger" }, { "image-options", NT "Image File Execution Options\\*", "VerifierDlls" },
	{ "image-options", NT "SilentProcessExit\\*", "MonitorProcess" },
	{ "active-setup", "*\\Software\\Microsoft\\Active Setup\\Installed Components\\*", "StubPath" },
	{ "startup-folder", CURRENT "Explorer\\*Shell Folders", "*Startup" },
	{ "task", NT "Schedule\\TaskCache\\*", "*" },
	{ "shell-extension", CURRENT "Explorer\\ShellExecuteHooks", "*" }, { "shell-extension", CURRENT "ShellServiceObjectDelayLoad", "*" },
	{ "shell-extension", CURRENT "Shell Extensions\\Approved", "*" }, { "shell-extension", CURRENT "Explorer\\SharedTaskScheduler", "*" },
	{ "shell-extension", "*\\Classes\\*\\shellex\\*", "" }, { "shell-command", "*\\Classes\\*\\shell\\*\\command", "*" },
	{ "screensaver", "*\\Control Panel\\Desktop", "SCRNSAVE.EXE" },
	{ "boot-execute", CONTROL "Session Manager", "BootExecute" }, { "boot-execute", CONTROL "Session Manager", "SetupExecute" },
	{ "boot-execute", CONTROL "SafeBoot", "AlternateShell" }, { "boot-execute", CONTROL "Session Manager", "PendingFileRenameOperations" },
	{ "browser-helper", CURRENT "Explorer\\Browser Helper Objects\\*", NULL }, { "browser-helper", "*\\Software\\Microsoft\\Internet Explorer\\Toolbar*", "*" },
	{ "com", "HKCU\\Software\\Classes\\*CLSID\\*\\InprocServer32", "" }, { "com", "HKCU\\Software\\Classes\\*CLSID\\*\\LocalServer32", "" },
	{ "com", "HKCU\\Software\\Classes\\*CLSID\\*\\TreatAs", "" }, { "com", "HKLM\\Software\\Classes\\*CLSID\\*\\InprocServer32", "" },
	{ "print-monitor", CONTROL "Print\\Monitors\\*", "Driver" }, { "print-monitor", CONTROL "Print\\Environments\\*\\Print Processors\\*", "Driver" },
	{ "lsa", CONTROL "Lsa", "Authentication Packages" }, { "lsa", CONTROL "Lsa", "Security Packages" },
	{ "lsa", CONTROL "Lsa", "Notification Packages" }, { "lsa", CONTROL "Lsa\\OSConfig", "Security Packages" },
	{ "lsa", CONTROL "SecurityProviders", "SecurityProviders" }, { "lsa", CONTROL "NetworkProvider\\Order", "ProviderOrder" },
	{ "netsh", "HKLM\\Software\\Microsoft\\NetSh", "*" },
	{ "office", "*\\Software\\Microsoft\\Office\\*\\Addins\\*", "*" }, { "office", "*\\Software\\Microsoft\\Office test\\Special\\Perf", "" },
	{ "office", "*\\Software\\Microsoft\\Office\\*\\Options", "OPEN*" },
	{ "command-processor", "*\\Software\\Microsoft\\Command Processor", "AutoRun" },
	{ "winsock", "HKLM\\System\\*ControlSet*\\Services\\WinSock2\\Parameters\\*", "PackedCatalogItem" },
	{ "time-provider", "HKLM\\System\\*ControlSet*\\Services\\W32Time\\TimeProviders\\*", "DllName" },
	{ "terminal-server", CONTROL "Terminal Server\\Wds\\rdpwd", "StartupPrograms" }, { "terminal-server", NT "Terminal Server\\Install\\*", "*" },
};

/* Below a user's or everybody's folders, and the system's. */
static const struct place FOLDERS[] = {
	{ "startup-folder", "C:\\*\\Start Menu\\Programs\\Startup\\*", NULL }, { "startup-folder", "C:\\*\\StartMenu\\Programs\\Startup\\*", NULL },
	{ "task", "C:\\windows\\system32\\Tasks\\*", NULL }, { "task", "C:\\windows\\Tasks\\*", NULL },
	{ "driver", "C:\\windows\\system32\\drivers\\*.sys", NULL }, { "winlogon", "C:\\windows\\system32\\GroupPolicy\\*\\Scripts\\*", NULL },
	{ "autorun", "?:\\autorun.inf", NULL }, { "office", "C:\\*\\Microsoft\\Word\\STARTUP\\*", NULL },
	{ "office", "C:\\*\\Microsoft\\Excel\\XLSTART\\*", NULL }, { "powershell", "C:\\*WindowsPowerShell\\*profile.ps1", NULL },
	{ "wmi", "C:\\windows\\system32\\wbem\\*.mof", NULL },
};

static bool like(const char *pattern, const char *text)
{
	return fnmatch(pattern, text, FNM_NOESCAPE | FNM_CASEFOLD) == 0;
}

/* Keys of 32-bit programs stand where those of 64-bit programs do. */
static char *without_wow(const char *key)
{
	char *out = buf_strdup(key), *at = strcasestr(out, "\\Wow6432Node");

	if (at)
		memmove(at, at + 12, strlen(at + 12) + 1);
	return out;
}

static const char *place_of(const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof REGISTRY / sizeof *REGISTRY; i++) {
		const struct place *p = &REGISTRY[i];

		if (like(p->key, key) && (p->value ? value && like(p->value, value) : !value))
			return p->name;
	}
	return NULL;
}

void startup_of_registry(const json_t *registry, json_t *list)
{
	size_t i;
	json_t *o, *s;

	json_array_foreach(registry, i, o) {
		const char *change = jsonio_str(o, "change"), *value = jsonio_str(o, "value"), *place;
		char *key;

		if (!change || !jsonio_str(o, "key") || !strcmp(change, "deleted"))
			continue;
		key = without_wow(jsonio_str(o, "key"));
		place = place_of(key, value);
		free(key);
		if (!place)
			continue;
		json_object_set_new(o, "startup", json_string(place));
		s = json_object();
		json_object_set_new(s, "place", json_string(place));
		json_object_set(s, "file", json_object_get(o, "key"));
		if (value)
			json_object_set_new(s, "value", json_string(value));
		if (json_object_get(o, "data"))
			json_object_set(s, "line", json_object_get(o, "data"));
		else
			json_object_set_new(s, "whole", json_true());
		json_array_append_new(list, s);
	}
}

const char *startup_of_file(const char *windows)
{
	for (size_t i = 0; i < sizeof FOLDERS / sizeof *FOLDERS; i++)
		if (like(FOLDERS[i].key, windows))
			return FOLDERS[i].name;
	return NULL;
}
