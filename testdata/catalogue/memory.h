/* memory.h: techniques by which code stands in memory. Included by resident.c alone. */
#ifndef MEMORY_H
#define MEMORY_H

static unsigned char *hidden_code;
static size_t hidden_size;

/* Memory that is writable and executable at once. */
UNUSED static void act_rwx(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	call(payload(region(PAGES * PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE), PAGES * PAGE));
}

/* A loader that never has both rights at once: written, then made executable; a reserve may follow it. */
UNUSED static void act_wx(int argc, char **argv)
{
	size_t reserve = LAYOUT & 1 ? 16 * PAGE : 0;
	unsigned char *p = region(PAGES * PAGE + reserve, PROT_READ | PROT_WRITE, MAP_PRIVATE), *f = payload(p, PAGES * PAGE);

	(void)argc;
	(void)argv;
	rights(p, PAGES * PAGE + (LAYOUT & 2 ? reserve : 0), PROT_READ | PROT_EXEC);
	call(f);
}

/* One memory file, mapped twice: here writable, there executable. */
UNUSED static void act_dual(int argc, char **argv)
{
	int fd = memfd_create(LAYOUT & 1 ? "" : "cache", MFD_CLOEXEC);
	unsigned char *w, *x, *f;

	(void)argc;
	(void)argv;
	if (fd < 0 || ftruncate(fd, PAGES * PAGE) < 0)
		give_up("memfd");
	w = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	x = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_EXEC, LAYOUT & 2 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (w == MAP_FAILED || x == MAP_FAILED)
		give_up("mmap");
	f = payload(w, PAGES * PAGE);
	call(x + (f - w));
	if (LAYOUT & 4)
		munmap(w, PAGES * PAGE);
	close(fd);
}

UNUSED static void act_shared(int argc, char **argv)
{
	unsigned char *p = region(PAGES * PAGE, PROT_READ | PROT_WRITE | (LAYOUT & 1 ? PROT_EXEC : 0), MAP_SHARED);
	unsigned char *f = payload(p, PAGES * PAGE);

	(void)argc;
	(void)argv;
	rights(p, PAGES * PAGE, PROT_READ | PROT_EXEC | (LAYOUT & 1 ? PROT_WRITE : 0));
	call(f);
}

/* System V shared memory. */
UNUSED static void act_sysv(int argc, char **argv)
{
	int id = shmget(IPC_PRIVATE, PAGES * PAGE, IPC_CREAT | 0700);
	unsigned char *w = shmat(id, NULL, 0), *x = shmat(id, NULL, SHM_EXEC | (LAYOUT & 1 ? 0 : SHM_RDONLY)), *f;

	(void)argc;
	(void)argv;
	if (id < 0 || w == (void *)-1 || x == (void *)-1)
		give_up("shmat");
	f = payload(w, PAGES * PAGE);
	call(x + (f - w));
	if (LAYOUT & 2)
		shmdt(w);
	shmctl(id, IPC_RMID, NULL);
}

/* A file at the place given, in a file system that lives in memory, mapped executable and mostly unlinked. */
UNUSED static void act_shm(int argc, char **argv)
{
	unsigned char *w, *x, *f;
	int fd = argc > 1 ? open(argv[1], O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0700) : -1;

	if (fd < 0 || ftruncate(fd, PAGES * PAGE) < 0)
		give_up("shared memory");
	w = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	x = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_EXEC, LAYOUT & 2 ? MAP_SHARED : MAP_PRIVATE, fd, 0);
	if (w == MAP_FAILED || x == MAP_FAILED)
		give_up("mmap");
	f = payload(w, PAGES * PAGE);
	call(x + (f - w));
	munmap(w, PAGES * PAGE);
	if (LAYOUT & 1)
		unlink(argv[1]);
	close(fd);
}

/* The heap: memory below the break, which C libraries fetch from by brk(2). */
UNUSED static void act_heap(int argc, char **argv)
{
	uintptr_t now = (uintptr_t)syscall(SYS_brk, 0), begin = (now + PAGE - 1) & ~(uintptr_t)(PAGE - 1);
	uintptr_t end = begin + PAGES * PAGE + (LAYOUT & 2 ? 8 * PAGE : 0);
	unsigned char *f;

	(void)argc;
	(void)argv;
	if ((uintptr_t)syscall(SYS_brk, end) < end)
		give_up("brk");
	f = payload((unsigned char *)begin, PAGES * PAGE);
	rights((void *)begin, PAGES * PAGE, PROT_READ | PROT_EXEC | (LAYOUT & 1 ? PROT_WRITE : 0));
	call(f);
}

/* The main thread's stack. What is called stands in it; with LAYOUT 2 all of the stack above has the right. */
UNUSED static void act_stack(int argc, char **argv)
{
	unsigned char code[64];

	put_function(code);
	if (LAYOUT & 2)
		rights(code, (size_t)((uintptr_t)argv - (uintptr_t)code), PROT_READ | PROT_WRITE | PROT_EXEC);
	rights(code, sizeof(code), PROT_READ | PROT_WRITE | PROT_EXEC);
	rights(argv, (size_t)argc * sizeof(*argv), PROT_READ | PROT_WRITE | PROT_EXEC);
	call(code);
}

/* The image of a program, its own, laid out by hand in memory that no file backs. It is not started. */
static unsigned char *lay_out(size_t *size)
{
	static Elf64_Phdr ph[32];
	Elf64_Ehdr eh;
	int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC), i;
	uint64_t end = 0;
	unsigned char *p;

	if (fd < 0 || pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) || eh.e_phnum > 32)
		give_up("image");
	if (pread(fd, ph, eh.e_phnum * sizeof(*ph), (off_t)eh.e_phoff) < 0)
		give_up("image");
	for (i = 0; i < eh.e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && (ph[i].p_vaddr & 0x3fffff) + ph[i].p_memsz > end)
			end = (ph[i].p_vaddr & 0x3fffff) + ph[i].p_memsz;
	*size = (end + PAGE - 1) & ~(uint64_t)(PAGE - 1);
	p = region(*size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	for (i = 0; i < eh.e_phnum; i++)
		if (ph[i].p_type == PT_LOAD && pread(fd, p + (ph[i].p_vaddr & 0x3fffff), ph[i].p_filesz, (off_t)ph[i].p_offset) < 0)
			give_up("image");
	close(fd);
	memcpy(p + 24, &(uint32_t){ SEED }, 4);   /* the entry: so that no two are alike */
	return p;
}

UNUSED static void act_elf(int argc, char **argv)
{
	size_t size;
	unsigned char *p = lay_out(&size);

	(void)argc;
	(void)argv;
	if (LAYOUT & 1) {   /* the header keeps to a page of its own, as read-only memory before the code */
		rights(p, PAGE, PROT_READ);
		rights(p + PAGE, size - PAGE, PROT_READ | PROT_EXEC);
	} else {
		rights(p, size, PROT_READ | PROT_EXEC | (LAYOUT & 2 ? PROT_WRITE : 0));
	}
}

/* The same, with its header overwritten as some loaders do. */
UNUSED static void act_elf_wiped(int argc, char **argv)
{
	size_t size;
	unsigned char *p = lay_out(&size);

	(void)argc;
	(void)argv;
	memset(p, LAYOUT & 1 ? 0 : 0x90, LAYOUT & 4 ? PAGE : 64);
	memcpy(p + 128, &(uint32_t){ SEED }, 4);
	rights(p, size, PROT_READ | PROT_EXEC | (LAYOUT & 2 ? PROT_WRITE : 0));
}

/* A page of code of its own, for act_text. */
__attribute__((noinline)) static int victim(int x)
{
	return (int)((uint32_t)x * 7u + 3u + padding[(unsigned)x % PAD]);
}

static void overwrite(unsigned char *p)
{
	unsigned char code[6];
	int fd;

	put_function(code);
	if (LAYOUT & 1) {   /* no right is changed for it */
		fd = open("/proc/self/mem", O_WRONLY | O_CLOEXEC);
		if (fd < 0 || pwrite(fd, code, sizeof(code), (off_t)(uintptr_t)p) != sizeof(code))
			give_up("/proc/self/mem");
		close(fd);
		return;
	}
	rights(p, sizeof(code), PROT_READ | PROT_WRITE | PROT_EXEC);
	memcpy(p, code, sizeof(code));
	rights(p, sizeof(code), PROT_READ | PROT_EXEC);
}

UNUSED static void act_text(int argc, char **argv)
{
	unsigned char *p;
	int (*function)(int) = victim;

	(void)argv;
	memcpy(&p, &function, sizeof(p));
	if (function(argc) == 123456789)
		return;
	overwrite(p);
	call(p);
}

/* A function of the C library that nothing here needs. */
UNUSED static void act_libc(int argc, char **argv)
{
	static const char *const names[] = { "getmntent", "wordexp", "hcreate", "lfind", "putpwent", "random_r", "ecvt", "getusershell" };
	unsigned char *p = dlsym(RTLD_DEFAULT, names[(LAYOUT >> 4) & 7]);

	(void)argc;
	(void)argv;
	if (!p)
		give_up("dlsym");
	overwrite(p);
	call(p);
}

/* The code that the kernel lends: bytes behind its last function. */
UNUSED static void act_vdso(int argc, char **argv)
{
	char line[256];
	unsigned long from = 0, to = 0;
	FILE *f = fopen("/proc/self/maps", "re");

	(void)argc;
	(void)argv;
	while (f && fgets(line, sizeof(line), f))
		if (strstr(line, "[vdso]") && sscanf(line, "%lx-%lx", &from, &to) == 2)
			break;
	if (!from)
		give_up("vdso");
	fclose(f);
	if (LAYOUT & 1) {
		overwrite((unsigned char *)to - 64 - (LAYOUT >> 4 & 7) * 8);
		return;
	}
	rights((void *)from, to - from, PROT_READ | PROT_WRITE | PROT_EXEC);   /* it cannot be split */
	put_function((unsigned char *)to - 64 - (LAYOUT >> 4 & 7) * 8);
	rights((void *)from, to - from, PROT_READ | PROT_EXEC);
}

static void turn_over(unsigned char key)
{
	size_t i;

	for (i = 0; i < hidden_size; i++)
		hidden_code[i] ^= key;
}

/* Encrypted and not executable while it sleeps: half of the time, the halves as long as LAYOUT says. */
static void beat_mask(void)
{
	static unsigned count, open = 1;

	if (++count % (1 + (LAYOUT >> 4 & 3)))
		return;
	if (open)
		rights(hidden_code, hidden_size, PROT_READ | PROT_WRITE);
	turn_over(0x5a ^ (SEED & 0x7f));
	if (!open)
		rights(hidden_code, hidden_size, PROT_READ | PROT_EXEC);
	open = !open;
}

UNUSED static void act_mask(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	hidden_size = PAGES * PAGE;
	hidden_code = region(hidden_size, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	payload(hidden_code, hidden_size);
	rights(hidden_code, hidden_size, PROT_READ | PROT_EXEC);
	on_beat = beat_mask;
	if (LAYOUT & 1)
		beat_mask();
}

/* Executable all the time, under another key after each beat. */
static void beat_rekey(void)
{
	static unsigned char key;
	unsigned char next = (unsigned char)random_word();

	if (!(LAYOUT & 1))
		rights(hidden_code, hidden_size, PROT_READ | PROT_WRITE);
	turn_over(key ^ next);
	key = next;
	if (!(LAYOUT & 1))
		rights(hidden_code, hidden_size, PROT_READ | PROT_EXEC);
}

UNUSED static void act_rekey(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	hidden_size = PAGES * PAGE;
	hidden_code = region(hidden_size, PROT_READ | PROT_WRITE | (LAYOUT & 1 ? PROT_EXEC : 0), MAP_PRIVATE);
	payload(hidden_code, hidden_size);
	beat_rekey();
	on_beat = beat_rekey;
}

#ifdef PACKED
/* A packed image: the payload stands packed in the program (pack.c), is unpacked into memory, and called. */
__asm__(".pushsection " PACKED_SECTION "\n.balign 16\npacked_begin:\n.incbin \"" PACKED "\"\npacked_end:\n.popsection\n");
extern const unsigned char packed_begin[], packed_end[];

UNUSED static void act_unpack(int argc, char **argv)
{
	const unsigned char *p = packed_begin;
	uint32_t key = SEED, size, at = 0, function;
	unsigned char *out, byte, count;

	(void)argc;
	(void)argv;
	memcpy(&size, p, 4);
	memcpy(&function, p + 4, 4);
	out = region(size, PROT_READ | PROT_WRITE | (LAYOUT & 1 ? PROT_EXEC : 0), MAP_PRIVATE);
	for (p += 8; p + 1 < packed_end && at < size; p += 2) {   /* runs: count, byte; each word under the key */
		key = key * 1664525u + 1013904223u;
		count = p[0] ^ (unsigned char)(key >> 24);
		byte = p[1] ^ (unsigned char)(key >> 16);
		while (count-- && at < size)
			out[at++] = byte;
	}
	if (!(LAYOUT & 1))
		rights(out, size, PROT_READ | PROT_EXEC);
	call(out + function);
}
#endif

#ifdef NOISE
/* Much code that is none: as encrypted code looks before it runs. */
__asm__(".pushsection .text\n.balign 16\n.incbin \"" NOISE "\"\n.popsection\n");
#endif

#endif
