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

function initiate(admin) {
  const members = [{ _id: 0, host: `${MONGO_HOST}:27017` }];
  try {
    admin.adminCommand({ replSetInitiate: { _id: "rs0", members } });
  } catch (error) {
    if (error.codeName === "Unauthorized") {
      throw new Error("MONGO_ROOT_PASSWORD is not the one this volume was made with; put the old one back");
    }
    // The first start may have been cut short between this step and the next one.
    if (error.codeName !== "AlreadyInitialized") throw error;
  }
}

const admin = waitFor("mongod to answer", connect).getDB("admin");
const isPrimary = () => admin.hello().isWritablePrimary;
if (!signIn(admin)) {
  initiate(admin);
  waitFor("the replica set to have a primary", isPrimary);
  admin.createUser(ROOT);
  if (!signIn(admin)) throw new Error("the administrator was made and cannot sign in");
}
waitFor("the replica set to have a primary", isPrimary);
const own = admin.getSiblingDB(MONGO_DATABASE);
if (own.getUser(SERVICE.user)) {
  own.updateUser(SERVICE.user, { pwd: SERVICE.pwd, roles: SERVICE.roles });
} else {
  own.createUser(SERVICE);
}
print(`mongod is a primary and has the users root and ${SERVICE.user}`);
