// SPDX-License-Identifier: BSD-3-Clause
#include "control/cluster_files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/cluster_text.h"

int cluster_files_open(struct cluster_files *files, const char *path, uint16_t server)
{
	char name[32];

	*files = (struct cluster_files){
		.calls = {.write = write, .sync = fsync, .rename = renameat},
		.folder = -1,
		.lock = -1,
	};
	if (mkdir(path, 0700) != 0 && errno != EEXIST)
		return -errno;
	files->folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (files->folder < 0)
		return -errno;
	snprintf(name, sizeof(name), "server-%u.lock", server);
	files->lock = openat(files->folder, name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (files->lock < 0 || flock(files->lock, LOCK_EX | LOCK_NB) != 0)
		return -errno;
	return 0;
}

void cluster_files_close(struct cluster_files *files)
{
	if (files->lock >= 0)
		close(files->lock);
	if (files->folder >= 0)
		close(files->folder);
	files->lock = files->folder = -1;
}

static int files_read(void *arg, const char *name, char *text, size_t size)
{
	const struct cluster_files *files = arg;
	int fd = openat(files->folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc = 0;
	size_t used = 0;
	char more;

	if (fd < 0)
		return -errno;
	while (rc == 0) {
		// One byte beyond shows that there is too much.
		ssize_t bytes =
			read(fd, used < size ? text + used : &more, used < size ? size - used : 1);

		if (bytes == 0)
			break;
		if (bytes < 0)
			rc = errno == EINTR ? 0 : -errno;
		else if (used == size)
			rc = -EFBIG;
		else
			used += (size_t)bytes;
	}
	close(fd);
	return rc != 0 ? rc : (int)used;
}

static int write_all(const struct cluster_files *files, int fd, const char *text, size_t bytes)
{
	while (bytes > 0) {
		ssize_t written = files->calls.write(fd, text, bytes);

		if (written < 0 && errno != EINTR)
			return -errno;
		if (written == 0)
			return -EIO;
		if (written > 0) {
			text += written;
			bytes -= (size_t)written;
		}
	}
	return files->calls.sync(fd) != 0 ? -errno : 0;
}

static int files_write_synced(void *arg, const char *name, const char *text, size_t bytes)
{
	const struct cluster_files *files = arg;
	char new_name[CLUSTER_FILE_NAME_BYTES + 8];
	int fd, rc;

	snprintf(new_name, sizeof(new_name), "%s.new", name);
	fd = openat(files->folder, new_name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW,
		    0600);
	if (fd < 0)
		return -errno;
	rc = write_all(files, fd, text, bytes);
	if (close(fd) != 0 && rc == 0)
		rc = -errno;
	if (rc == 0 && files->calls.rename(files->folder, new_name, files->folder, name) != 0)
		rc = -errno;
	if (rc != 0) {
		unlinkat(files->folder, new_name, 0);
		return rc;
	}
	return files->calls.sync(files->folder) != 0 ? CLUSTER_STORE_UNKNOWN : 0;
}

struct cluster_store cluster_files_store(struct cluster_files *files)
{
	return (struct cluster_store){files_read, files_write_synced, files};
}
