/* mnicter's parts: its verbs that have options of their own. argv[0] is the verb; the exit status. */
#ifndef MNICTER_H
#define MNICTER_H

int mnicter_index(int argc, char **argv);   /* mnicter-index.c */

#endif
