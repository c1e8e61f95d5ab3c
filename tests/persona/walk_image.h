/* Reads all that an image offers, through every door: for tests that feed broken images and watch
 * for reads outside of them. */
#ifndef TESTS_PERSONA_WALK_IMAGE_H
#define TESTS_PERSONA_WALK_IMAGE_H

#include "persona/image.h"
#include "persona/packed.h"

#include <assert.h>
#include <sys/stat.h>

static inline uint64_t walk_bytes(struct span bytes)
{
    uint64_t sum = bytes.len;
    for (size_t i = 0; i < bytes.len; i += PERSONA_PAGE)
        sum += bytes.data[i];
    return bytes.len > 0 ? sum + bytes.data[bytes.len - 1] : sum;
}

static inline uint64_t walk_directory(const struct persona_image *image,
                                      const struct persona_node *dir)
{
    uint64_t sum = 0;
    struct span name;
    for (uint32_t i = 0; i < dir->children; i++) {
        uint32_t ino = persona_image_entry(image, dir->ino, i, &name);
        assert(ino > PERSONA_ROOT && persona_image_find(image, dir->ino, name) == ino);
        sum += walk_bytes(name) + persona_image_lookup(image, name);
    }
    assert(persona_image_entry(image, dir->ino, dir->children, &name) == 0);
    return sum;
}

static inline uint64_t walk_packed(const struct persona_node *node)
{
    static uint8_t block[PERSONA_BLOCK];
    uint64_t sum = 0;
    for (uint64_t i = 0; i * PERSONA_BLOCK < node->size; i++) {
        int n = persona_unpack(node->packed, node->size, i, block);
        assert(n != 0 && n <= PERSONA_BLOCK);
        sum += n > 0 ? walk_bytes(span_of(block, (size_t)n)) : 1;
    }
    return sum;
}

/* A number that depends on everything that was read. */
static inline uint64_t walk_image(const struct persona_image *image)
{
    uint64_t sum = 0;
    for (uint32_t ino = 1; ino <= persona_image_nodes(image); ino++) {
        struct persona_node node;
        assert(persona_image_node(image, ino, &node) && node.nlink > 0);
        if (node.packed.len > 0)
            sum += walk_packed(&node);
        sum += walk_bytes(node.data) + node.mode + node.uid + node.gid + node.rdev_minor;
        if (S_ISDIR(node.mode))
            sum += walk_directory(image, &node);
        if (S_ISLNK(node.mode))
            sum += persona_image_lookup(image, node.data);
    }
    return sum;
}

#endif
