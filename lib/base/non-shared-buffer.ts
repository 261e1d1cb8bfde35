/**
 * A Buffer whose memory no other thread has, as Node's own functions return it: what newer types of Node call by this
 * name. Written in this way it is plainly `Buffer` where older ones, and older TypeScripts, know no difference.
 */
export type NonSharedBuffer = ReturnType<typeof Buffer.alloc>;
