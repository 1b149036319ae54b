/* A library whose code holds an absolute address, so that the loader must write to the code (DT_TEXTREL). Inert. */
int muss_datum = 1;
__asm__(".text\n.globl muss_address\nmuss_address: movabs $muss_datum, %rax\nret\n");
