/* drop_in.h - commands that write a file of their own into the site's folder. */
#ifndef MMR_CLI_DROP_IN_H
#define MMR_CLI_DROP_IN_H

/*
 * mmr_cli_drop_in_write - dir/file with this text: the old file or the new one, whatever happens meanwhile. The folder is made
 * when it is not there. Problems are said on stderr as `mamori command`. Returns enum mmr_exit
 */
int mmr_cli_drop_in_write(const char *command, const char *dir, const char *file, const char *text);

#endif
