/** Folder beside the scripts whose name changes with what is in it: the model, the wasm, the worker; `build.js` sets it. */
declare const BUILD: string;
