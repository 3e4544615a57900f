/*
 * ode.c -- a heap of boxes and balls that falls onto a plane: 200 steps.
 */
#include <holdfast/adapt/ode.h>

#include <ode/ode.h>

#include "workloads.h"

enum { ODE_CONTACTS = 8, ODE_STEPS = 200 };

struct ode_scene {
    dWorldID world;
    dJointGroupID contacts;
};

static void ode_collide(void *data, dGeomID one, dGeomID other) {
    const struct ode_scene *scene = data;
    dContact contacts[ODE_CONTACTS] = {0};
    int count = dCollide(one, other, ODE_CONTACTS, &contacts[0].geom, sizeof contacts[0]);
    for (int i = 0; i < count; i++) {
        contacts[i].surface.mode = dContactBounce;
        contacts[i].surface.mu = 0.5;
        contacts[i].surface.bounce = 0.1;
        dJointID joint = dJointCreateContact(scene->world, scene->contacts, &contacts[i]);
        dJointAttach(joint, dGeomGetBody(one), dGeomGetBody(other));
    }
}

static void ode_add_body(dWorldID world, dSpaceID space, unsigned number) {
    dBodyID body = dBodyCreate(world);
    dMass mass;
    dGeomID geom = number % 2 ? dCreateBox(space, 1, 1, 1) : dCreateSphere(space, 0.5);
    dMassSetBox(&mass, 1, 1, 1, 1);
    dBodySetMass(body, &mass);
    dBodySetPosition(body, number % 3 * 1.1, number / 3 % 3 * 1.2 + number * 0.01,
                     1 + number / 9 * 1.5);
    dGeomSetBody(geom, body);
}

static void ode_print(dSpaceID space, FILE *out) {
    for (int i = 0; i < dSpaceGetNumGeoms(space); i++) {
        dBodyID body = dGeomGetBody(dSpaceGetGeom(space, i));
        if (body == NULL) continue;
        const dReal *at = dBodyGetPosition(body);
        fprintf(out, "%a %a %a\n", (double)at[0], (double)at[1], (double)at[2]);
    }
}

bool workload_ode(hf_heap *heap, unsigned scale, FILE *out) {
    hf_ode_use(heap);
    dSetAllocHandler(heap ? hf_ode_alloc : NULL);
    dSetReallocHandler(heap ? hf_ode_realloc : NULL);
    dSetFreeHandler(heap ? hf_ode_free : NULL);
    dInitODE2(0);
    dRandSetSeed(1);
    struct ode_scene scene = {dWorldCreate(), dJointGroupCreate(0)};
    dSpaceID space = dHashSpaceCreate(NULL);
    dCreatePlane(space, 0, 0, 1, 0);
    dWorldSetGravity(scene.world, 0, 0, -9.81);
    for (unsigned i = 0; i < 20 * scale; i++) ode_add_body(scene.world, space, i);
    for (int step = 0; step < ODE_STEPS; step++) {
        dSpaceCollide(space, &scene, ode_collide);
        dWorldQuickStep(scene.world, 0.02);
        dJointGroupEmpty(scene.contacts);
    }
    ode_print(space, out);
    dJointGroupDestroy(scene.contacts);
    dSpaceDestroy(space);
    dWorldDestroy(scene.world);
    dCloseODE();
    dSetAllocHandler(NULL);
    dSetReallocHandler(NULL);
    dSetFreeHandler(NULL);
    return true;
}
