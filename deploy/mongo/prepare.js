// Makes a fresh mongod a replica set of one with an administrator and the service's own user.
// Every start runs it: the second time only the service's password is set again, so that a new
// password in the env file takes effect with a restart.
const { MONGO_HOST, MONGO_DATABASE, MONGO_PASSWORD, MONGO_ROOT_PASSWORD } = process.env;
const ROOT = { user: "root", pwd: MONGO_ROOT_PASSWORD, roles: ["root"] };
const SERVICE = {
  user: MONGO_DATABASE,
  pwd: MONGO_PASSWORD,
  roles: ["readWrite", "dbAdmin"].map((role) => ({ role, db: MONGO_DATABASE })),
};

function waitFor(what, attempt) {
  for (let tries = 0; tries < 240; tries++) {
    const result = attempt();
    if (result) return result;
    sleep(250); // milliseconds
  }
  throw new Error(`waited a minute for ${what}`);
}

function connect() {
  try {
    // No name: the users of a fresh mongod can only be made over its own loopback address.
    return new Mongo("mongodb://127.0.0.1:27017/?directConnection=true&serverSelectionTimeoutMS=1000");
  } catch (error) {
    if (error.name === "MongoServerSelectionError") return null;
    throw error;
  }
}

function signIn(admin) {
  try {
    return admin.auth(ROOT.user, ROOT.pwd).ok === 1;
  } catch (error) {
    if (error.codeName === "AuthenticationFailed") return false;
    throw error;
  }
}

// Whether this mongod belongs to its set. Nobody signs in before that: what a mongod without a set answers to a
// sign-in is promised nowhere, and NotYetInitialized is one of the possible answers.
function initiate(admin) {
  if (admin.hello().setName) return true;
  const members = [{ _id: 0, host: `${MONGO_HOST}:27017` }];
  try {
    return admin.adminCommand({ replSetInitiate: { _id: "rs0", members } }).ok === 1;
  } catch (error) {
    // A later start, which has not read its set's configuration yet: there are users, so this is not allowed.
    if (["Unauthorized", "AlreadyInitialized"].includes(error.codeName)) return false;
    throw error;
  }
}

function createAdministrator(admin) {
  try {
    admin.createUser(ROOT);
  } catch (error) {
    if (error.codeName !== "Unauthorized") throw error;
    throw new Error("MONGO_ROOT_PASSWORD is not the one this volume was made with; put the old one back");
  }
  if (!signIn(admin)) throw new Error("the administrator was made and cannot sign in");
}

const admin = waitFor("mongod to answer", connect).getDB("admin");
waitFor("the replica set", () => initiate(admin));
waitFor("the replica set to have a primary", () => admin.hello().isWritablePrimary);
// The first start may have been cut short between the set and its administrator.
if (!signIn(admin)) createAdministrator(admin);
const own = admin.getSiblingDB(MONGO_DATABASE);
if (own.getUser(SERVICE.user)) {
  own.updateUser(SERVICE.user, { pwd: SERVICE.pwd, roles: SERVICE.roles });
} else {
  own.createUser(SERVICE);
}
print(`mongod is a primary and has the users root and ${SERVICE.user}`);
