/** Folder of the model beside the scripts, with a slash at its end; `build.js` sets it. */
declare const MODEL_FOLDER: string;

/** File of the compiled contexts in that folder, "" if there is none. */
declare const CONTEXTS_FILE: string;
