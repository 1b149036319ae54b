/* A C program for Windows that makes a function in memory of its own, and says what it saw of its start: inert. */
#include <stdio.h>
#include <stdlib.h>
#include <windows.h>

static int counter;
static void __attribute__((constructor)) before(void) { counter = 7; }

int main(int argc, char **argv)
{
	/* mov eax, 42; ret */
	static const unsigned char code[16] = { 0xb8 ^ 0x55, 42 ^ 0x55, 0x55, 0x55, 0x55, 0xc3 ^ 0x55 };
	unsigned char *made = VirtualAlloc(NULL, 4096, MEM_COMMIT | MEM_RESERVE, PAGE_EXECUTE_READWRITE);
	char *text = malloc(100);

	for (int i = 0; i < 16; i++)
		made[i] = code[i] ^ 0x55;
	snprintf(text, 100, "%s %d %d %d", argv[0] && *argv[0] ? "named" : "unnamed", argc, counter, ((int (*)(void))(UINT_PTR)made)());
	OutputDebugStringA(text);
	return 3;
}
