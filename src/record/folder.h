/* The names in a folder of the recorder's. */
#ifndef RECORD_FOLDER_H
#define RECORD_FOLDER_H

#include <dirent.h>

/* Begins to read the folder, whose descriptor stays the caller's; `*out` is to be closed with
 * closedir. 0 or -errno. */
int record_folder_read(int dir, DIR **out);

#endif
