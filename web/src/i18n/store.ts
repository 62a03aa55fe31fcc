// A value that lives outside React and tells who listens.
export interface Store<T> {
  get: () => T
  set: (value: T) => void
  subscribe: (listener: () => void) => () => void
}

export function createStore<T>(initial: T): Store<T> {
  let value = initial
  const listeners = new Set<() => void>()
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return
      value = next
      for (const listener of listeners) listener()
    },
    subscribe(listener) {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
  }
}

// Web storage may be forbidden (private windows, policies); a choice that cannot be kept still holds for the visit.
export function kept<T>(key: string, is: (value: unknown) => value is T): T | null {
  try {
    const value: unknown = localStorage.getItem(key)
    return is(value) ? value : null
  } catch {
    return null
  }
}

export function keep(key: string, value: string): void {
  try {
    localStorage.setItem(key, value)
  } catch {
    // See above.
  }
}
