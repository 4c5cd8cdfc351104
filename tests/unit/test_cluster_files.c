// SPDX-License-Identifier: BSD-3-Clause
//
// The files of the static backend, with each of its steps failing in turn.
#define _GNU_SOURCE // mkdtemp

#include <criterion/criterion.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "control/cluster_files.h"

static char folder[64];
static int fail_at; // the call that fails, from 1; 0: none
static int calls;

static bool fails(void)
{
	errno = EIO;
	return ++calls == fail_at;
}

// Half of it at a time.
static ssize_t write_half(int fd, const void *from, size_t bytes)
{
	return fails() ? -1 : write(fd, from, (bytes + 1) / 2);
}

static int sync_or_fail(int fd)
{
	return fails() ? -1 : fsync(fd);
}

static int rename_or_fail(int from_folder, const char *from, int to_folder, const char *to)
{
	return fails() ? -1 : renameat(from_folder, from, to_folder, to);
}

static struct cluster_files open_files(void)
{
	struct cluster_files files;

	cr_assert_eq(cluster_files_open(&files, folder, 1), 0);
	files.calls = (struct cluster_files_calls){write_half, sync_or_fail, rename_or_fail};
	return files;
}

static void make_folder(void)
{
	snprintf(folder, sizeof(folder), "/tmp/godwit-cluster-XXXXXX");
	cr_assert_not_null(mkdtemp(folder));
}

static void remove_folder(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;

	while ((entry = readdir(dir)) != NULL)
		if (entry->d_name[0] != '.' && unlinkat(dirfd(dir), entry->d_name, 0) != 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	closedir(dir);
	rmdir(folder);
}

TestSuite(cluster_files, .init = make_folder, .fini = remove_folder);

static int put(struct cluster_files *files, const char *text)
{
	struct cluster_store store = cluster_files_store(files);

	return store.write_synced(store.arg, "a.stream", text, strlen(text));
}

static void expect_text(struct cluster_files *files, const char *expected)
{
	struct cluster_store store = cluster_files_store(files);
	char text[64] = "";
	int bytes = store.read(store.arg, "a.stream", text, sizeof(text));

	cr_assert_eq(bytes, (int)strlen(expected));
	cr_assert_eq(memcmp(text, expected, (size_t)bytes), 0);
}

static uint32_t files_count(void)
{
	DIR *dir = opendir(folder);
	struct dirent *entry;
	uint32_t count = 0;

	while ((entry = readdir(dir)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(dir);
	return count;
}

Test(cluster_files, reads_what_it_wrote)
{
	struct cluster_files files = open_files();
	struct cluster_store store = cluster_files_store(&files);
	char text[64];

	cr_assert_eq(store.read(store.arg, "a.stream", text, sizeof(text)), -ENOENT);
	cr_assert_eq(put(&files, "the first"), 0);
	expect_text(&files, "the first");
	cr_assert_eq(put(&files, "another"), 0);
	expect_text(&files, "another");
	cr_assert_eq(files_count(), 2, "the file and the lock");
	cr_assert_eq(store.read(store.arg, "a.stream", text, 7), 7);
	cr_assert_eq(store.read(store.arg, "a.stream", text, 6), -EFBIG);
	cluster_files_close(&files);
	files = open_files();
	expect_text(&files, "another");
	cluster_files_close(&files);
}

// Whatever step fails, one of both files is there whole, and it is said which where that is known.
Test(cluster_files, keeps_one_file_whole_whatever_step_fails)
{
	struct cluster_files files = open_files();
	int steps;

	cr_assert_eq(put(&files, "old"), 0);
	calls = 0;
	cr_assert_eq(put(&files, "old"), 0);
	steps = calls;
	cr_assert_geq(steps, 5, "writes, sync, rename, sync of the folder");
	for (fail_at = 1; fail_at <= steps; fail_at++) {
		calls = 0;
		if (fail_at < steps) {
			cr_assert_eq(put(&files, "new"), -EIO, "step %d", fail_at);
			expect_text(&files, "old");
			cr_assert_eq(files_count(), 2, "nothing is left behind");
		} else {
			cr_assert_eq(put(&files, "new"), CLUSTER_STORE_UNKNOWN);
			expect_text(&files, "new");
		}
	}
	cluster_files_close(&files);
}

// A process that ended between two steps leaves a file.
Test(cluster_files, writes_over_what_a_crash_left)
{
	struct cluster_files files = open_files();
	char path[128];
	FILE *left;

	put(&files, "old");
	snprintf(path, sizeof(path), "%s/a.stream.new", folder);
	left = fopen(path, "w");
	fputs("half of a recor, and longer than the next", left);
	fclose(left);
	expect_text(&files, "old");
	cr_assert_eq(put(&files, "new"), 0);
	expect_text(&files, "new");
	cr_assert_eq(files_count(), 2);
	cluster_files_close(&files);
}

Test(cluster_files, says_what_is_in_the_way)
{
	struct cluster_files files = open_files();
	struct cluster_store store = cluster_files_store(&files);
	char path[128], text[8];

	snprintf(path, sizeof(path), "%s/a.stream", folder);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(put(&files, "new"), -EISDIR);
	cr_assert_eq(store.read(store.arg, "a.stream", text, sizeof(text)), -EISDIR);
	rmdir(path);
	cr_assert_eq(symlink("/etc/passwd", path), 0);
	cr_assert_eq(store.read(store.arg, "a.stream", text, sizeof(text)), -ELOOP);
	snprintf(path, sizeof(path), "%s/a.stream.new", folder);
	cr_assert_eq(mkdir(path, 0700), 0);
	cr_assert_eq(put(&files, "new"), -EISDIR);
	cluster_files_close(&files);
}

Test(cluster_files, belongs_to_one_process_of_a_server)
{
	struct cluster_files files = open_files(), second;

	cr_assert_eq(cluster_files_open(&second, folder, 1), -EWOULDBLOCK);
	cluster_files_close(&second);
	cr_assert_eq(cluster_files_open(&second, folder, 2), 0,
		     "another server may share the folder");
	cluster_files_close(&second);
	cluster_files_close(&files);
	cr_assert_eq(cluster_files_open(&files, folder, 1), 0);
	cluster_files_close(&files);
	cluster_files_close(&files);
}

Test(cluster_files, makes_its_folder_but_not_the_way_to_it)
{
	struct cluster_files files;
	char path[128];

	snprintf(path, sizeof(path), "%s/state", folder);
	cr_assert_eq(cluster_files_open(&files, path, 1), 0);
	cluster_files_close(&files);
	cr_assert_eq(cluster_files_open(&files, path, 1), 0, "it is there already");
	cluster_files_close(&files);
	snprintf(path, sizeof(path), "%s/state/server-1.lock", folder);
	cr_assert_eq(cluster_files_open(&files, path, 1), -ENOTDIR);
	cluster_files_close(&files);
	unlink(path);
	snprintf(path, sizeof(path), "%s/none/state", folder);
	cr_assert_eq(cluster_files_open(&files, path, 1), -ENOENT);
	cluster_files_close(&files);
}

// The backend over these files, as the daemon has it.
Test(cluster_files, keeps_the_record_of_a_stream)
{
	struct cluster_files files = open_files();
	const struct cluster_static_stream stream = {.name = "eu/a",
						     .primary = 1,
						     .min_in_sync = 1,
						     .replica_count = 1,
						     .replicas = {2}};
	struct cluster_static_config config = {.name = "lab",
					       .server = 1,
					       .stream_count = 1,
					       .streams = &stream,
					       .store = cluster_files_store(&files)};
	const struct cluster_record record = {.session = 5,
					      .epoch = 1,
					      .primary = 1,
					      .min_in_sync = 1,
					      .in_sync_count = 1,
					      .in_sync = {{1, 77}}};
	struct cluster_event event;
	struct cluster cluster;

	cr_assert_eq(cluster_static_create(&cluster, &config), 0);
	cr_assert_eq(cluster_change(&cluster, 0, &record), 0);
	while (cluster_next(&cluster, 0, &event) && event.kind != CLUSTER_CHANGED)
		cr_assert_eq(event.kind, CLUSTER_MEMBERS);
	cr_assert_eq(event.answer, CLUSTER_DONE, "%s", event.why);
	cluster_destroy(&cluster);
	cluster_files_close(&files);
	files = open_files();
	cr_assert_eq(cluster_static_create(&cluster, &config), 0);
	cr_assert_eq(cluster_read(&cluster, 0), 0);
	while (cluster_next(&cluster, 0, &event) && event.kind != CLUSTER_READ)
		cr_assert_eq(event.kind, CLUSTER_MEMBERS);
	cr_assert_eq(event.answer, CLUSTER_DONE, "%s", event.why);
	cr_assert(cluster_in_sync_as(&event.record, 1, 77));
	cluster_destroy(&cluster);
	cluster_files_close(&files);
}
