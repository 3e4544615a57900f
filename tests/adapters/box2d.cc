/*
 * box2d.cc -- a pyramid of boxes that falls over, with bodies destroyed and created: 200 steps.
 * Box2D 2.4 chooses its allocator when it is linked, so this is compiled twice: with the adapter
 * (BOX2D_ADAPTER), and without.
 *
 *     adapters-box2d-with [ROWS]          prints where the boxes of so many rows (12) are
 *     adapters-box2d-with ROWS measure    prints processor time in ms and peak memory in KiB
 */
#include <box2d/box2d.h>

#ifdef BOX2D_ADAPTER
#include <holdfast/adapt/box2d.hpp>
#endif

#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <vector>

namespace {

bool is_quiet;

b2Body *add_box(b2World &world, float x, float y) {
    b2BodyDef definition;
    definition.type = b2_dynamicBody;
    definition.position.Set(x, y);
    b2PolygonShape shape;
    shape.SetAsBox(0.5f, 0.5f);
    b2Body *body = world.CreateBody(&definition);
    body->CreateFixture(&shape, 5.0f);
    return body;
}

void add_ground(b2World &world) {
    b2BodyDef definition;
    b2EdgeShape shape;
    shape.SetTwoSided(b2Vec2(-200.0f, 0.0f), b2Vec2(200.0f, 0.0f));
    world.CreateBody(&definition)->CreateFixture(&shape, 0.0f);
}

void simulate(int rows) {
    b2World world(b2Vec2(0.5f, -10.0f));
    std::vector<b2Body *> bodies;
    add_ground(world);
    for (int row = 0; row < rows; row++)
        for (int i = row; i < rows; i++)
            bodies.push_back(add_box(world,
                                     1.1f * static_cast<float>(i) - 0.55f * static_cast<float>(row),
                                     0.6f + 1.1f * static_cast<float>(row)));
    for (int step = 0; step < 200; step++) {
        world.Step(1.0f / 60.0f, 8, 3);
        if (step % 5 != 0) continue;
        std::size_t which = static_cast<std::size_t>(step * 7) % bodies.size();
        world.DestroyBody(bodies[which]);
        bodies[which] = add_box(world, static_cast<float>(step % 11), 30.0f);
    }
    for (const b2Body *body : bodies)
        if (!is_quiet)
            std::printf("%a %a %a\n", static_cast<double>(body->GetPosition().x),
                        static_cast<double>(body->GetPosition().y),
                        static_cast<double>(body->GetAngle()));
}

/* For bench.sh: processor time in milliseconds, and peak memory in KiB. */
void print_cost() {
    char line[200];
    long peak = 0;
    std::FILE *status = std::fopen("/proc/self/status", "r");
    while (status && std::fgets(line, sizeof line, status)) std::sscanf(line, "VmHWM: %ld", &peak);
    if (status) std::fclose(status);
    std::printf("%.2f %ld\n", 1e3 * static_cast<double>(std::clock()) / CLOCKS_PER_SEC, peak);
}

} // namespace

int main(int count, char **arguments) {
    int rows = count > 1 ? std::atoi(arguments[1]) : 12;
    is_quiet = count > 2;
#ifdef BOX2D_ADAPTER
    hf_heap *heap;
    if (hf_heap_open(&heap, NULL) != HF_OK) return 1;
    hf_box2d_use(heap);
    simulate(rows);
    hf_heap_stats stats = hf_heap_get_stats(heap);
    bool is_sound = hf_heap_check(heap) == HF_OK && stats.blocks == 0 && stats.peak > 0;
    hf_heap_close(heap);
    if (is_quiet) print_cost();
    if (!is_sound)
        std::fprintf(stderr, "%zu blocks are left, or the heap is not sound\n", stats.blocks);
    return is_sound ? 0 : 1;
#else
    simulate(rows);
    if (is_quiet) print_cost();
    return 0;
#endif
}
