/* Puts an owner's bait (session/bait.h) into the machine: before it is shared. */
#ifndef LURED_BAIT_H
#define LURED_BAIT_H

#include "lured/world.h"

/* Reads the list that the configuration names, checks it, and reads nothing else. */
int bait_read(struct world *world, char why_z[WORLD_WHY_SIZE]);

/* Files and names of hosts are put into the image, and world->watched are the inodes of all files. 0,
 * or a negative error and a line in `why_z`. */
int bait_lay(struct world *world, char why_z[WORLD_WHY_SIZE]);

#endif
