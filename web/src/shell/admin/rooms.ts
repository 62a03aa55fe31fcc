import { Console } from './Console'
import { Events } from './Events'
import { Jobs } from './Jobs'
import { Overview } from './Overview'
import { Persona } from './Persona'
import { Phrases } from './Phrases'
import { Plans } from './Plans'
import { Routing } from './Routing'
import { Subscriptions } from './Subscriptions'
import { Tenant } from './Tenant'
import { Tenants } from './Tenants'
import { Usage } from './Usage'
import { Verdicts } from './Verdicts'

// All pages of the console in one piece, which nobody but operators ever loads.
export const rooms = {
  Console,
  Events,
  Jobs,
  Overview,
  Persona,
  Phrases,
  Plans,
  Routing,
  Subscriptions,
  Tenant,
  Tenants,
  Usage,
  Verdicts,
}
