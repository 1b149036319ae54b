/* Code that no file backs: mov eax, 42; ret. */
#include "behaviour.h"

static const unsigned char CODE[] = { 0xb8, 42, 0, 0, 0, 0xc3 };

static int run(void *p)
{
	int (*f)(void);

	memcpy(&f, &p, sizeof f);
	return f() != 42;
}

ACTION(mmap_rwx)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(p, CODE, sizeof CODE);
	return run(p);
}

ACTION(mprotect)
{
	void *p = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	memcpy(p, CODE, sizeof CODE);
	return mprotect(p, 4096, PROT_READ | PROT_EXEC) || run(p);
}

ACTION(memfd_map)
{
	int fd = memfd_create("x", MFD_CLOEXEC);
	void *p;

	if (ftruncate(fd, 4096) || pwrite(fd, CODE, sizeof CODE, 0) != sizeof CODE)
		return 1;
	p = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, fd, 0);
	return run(p);
}

ACTION(memfd_exec)
{
	static char block[1 << 20];
	int in = open("/bin/true", O_RDONLY | O_CLOEXEC), fd = memfd_create("x", MFD_CLOEXEC);
	ssize_t n = read(in, block, sizeof block);
	char *args[] = { (char *)"x", NULL }, *none[] = { NULL };

	if (n <= 0 || write(fd, block, (size_t)n) != n)
		return 1;
	CHILD(fexecve(fd, args, none));
	return 0;
}

CHOSEN
