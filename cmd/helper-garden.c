/* helper-garden: keeps one closed world for a tool of ours; the whole of it stands in lib/garden/keeper.c. */
#include "garden/garden.h"

int main(int argc, char **argv)
{
	return garden_keeper(argc, argv);
}
