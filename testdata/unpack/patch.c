/* A loop that changes its own code: the key of each byte is the operand of an instruction that the byte before rewrote. Inert. */
#include "sys.h"
#include "pack.h"
#include "packed.h"   /* METHOD xor */

extern unsigned char key_operand[] __attribute__((visibility("hidden")));
unsigned turn_byte(unsigned v) __attribute__((visibility("hidden")));

#ifdef __x86_64__
__asm__(".text\n.globl turn_byte, key_operand\nturn_byte: mov %edi, %eax\n.byte 0x34\nkey_operand: .byte 0x3d\nmovzbl %al, %eax\nret\n");
#else
__asm__(".text\n.globl turn_byte, key_operand\nturn_byte: mov 4(%esp), %eax\n.byte 0x34\nkey_operand: .byte 0x3d\nmovzbl %al, %eax\nret\n");
#endif

__attribute__((used)) void begin(void)
{
	unsigned char *to = make_room(unpacked_size + 4096);
	uintptr_t page = (uintptr_t)key_operand & ~(uintptr_t)4095;

	SYS(SYS_MPROTECT, page, 8192, 7);
	for (size_t i = 0; i < unpacked_size; i++) {
		to[i] = (unsigned char)turn_byte(packed[i]);
		*key_operand += 7;
	}
	((void (*)(void))(uintptr_t)to)();
	for (;;)
		;
}
