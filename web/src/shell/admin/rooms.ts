import { Console } from './Console'
import { Events } from './Events'
import { Figures } from './Figures'
import { Jobs } from './Jobs'
import { Models } from './Models'
import { Overview } from './Overview'
import { Persona } from './Persona'
import { Phrases } from './Phrases'
import { Plans } from './Plans'
import { Providers } from './Providers'
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
  Figures,
  Jobs,
  Models,
  Overview,
  Persona,
  Phrases,
  Plans,
  Providers,
  Routing,
  Subscriptions,
  Tenant,
  Tenants,
  Usage,
  Verdicts,
}
