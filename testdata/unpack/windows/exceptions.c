/* Handlers of exceptions on Windows: a vectored one, and where tables lead to them __try and __except by hand. Ends with what they did. */
#include <windows.h>

static volatile int seen;

static LONG CALLBACK handler(EXCEPTION_POINTERS *p)
{
	seen++;
#ifdef _WIN64
	p->ContextRecord->Rip += 2;   /* ud2 */
#else
	p->ContextRecord->Eip += 2;
#endif
	return EXCEPTION_CONTINUE_EXECUTION;
}

#ifdef _WIN64
int guarded(void);
long filter(EXCEPTION_POINTERS *p, void *frame);

/* Says no the first time, of the inner scope; yes of the outer one. */
long filter(EXCEPTION_POINTERS *p, void *frame)
{
	(void)frame;
	seen += p->ExceptionRecord->ExceptionCode == EXCEPTION_ACCESS_VIOLATION ? 100 : 0;
	return seen > 200;
}

__asm__(".text\n.globl guarded\n.seh_proc guarded\nguarded:\n push %rbx\n.seh_pushreg %rbx\n sub $32, %rsp\n.seh_stackalloc 32\n.seh_endprologue\n"
	" mov $70, %ebx\n call inner\n nop\nwell: jmp leave\n"
	"caught: lea 7(%rbx), %eax\nleave: add $32, %rsp\n pop %rbx\n ret\n"
	".seh_handler __C_specific_handler, @except\n.seh_handlerdata\n.long 2\n.rva guarded, well, filter, leave\n.rva guarded, well, filter, caught\n"
	".text\n.seh_endproc\n"
	/* A frame without a handler between, which spoils a register that must come back. */
	".seh_proc inner\ninner:\n push %rbx\n.seh_pushreg %rbx\n sub $48, %rsp\n.seh_stackalloc 48\n.seh_endprologue\n"
	" mov $1, %ebx\n xor %eax, %eax\n movl $1, (%rax)\n add $48, %rsp\n pop %rbx\n ret\n.seh_endproc\n");
#endif

int main(void)
{
	void *h = AddVectoredExceptionHandler(1, handler);
	int result = 0;

	__asm__ volatile("ud2");
	RemoveVectoredExceptionHandler(h);
#ifdef _WIN64
	result = guarded();
#endif
	ExitProcess(1000 + seen + result);
}
